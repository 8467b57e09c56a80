"""Texts that speak to the model instead of the reader.

Belongs here: rules in English, German, French and Spanish, on text in lower case without accents. Does not belong here:
text that is hidden (hidden). Heuristics: whoever rewords gets through, so a person sees what is learned from.
"""
# ruff: noqa: E501 -- patterns are read best unbroken

import re

from glow_pipelines.learning.datasets.screens.findings import Rule, stems

_OVERRIDE = {
    r"ignor(?:e|es|ing)|disregard(?:ing)?|forget|override|bypass|(?:do not|don't|dont|never) (?:follow|obey|listen to)": (
        r"previous|prior|above|earlier|preceding|all|your|original|initial|system|everything",
        r"instructions?|prompts?|guidelines?|directives?|(?<=your )rules?|(?<=system )rules?|(?<=above )rules?|you were told|"
        r"programming",
        "igno disr forg over bypa foll obey list",
        "inst prom guid dire rule told prog",
    ),
    r"ignorier(?:e|en|st)?|vergiss|vergesst|vergessen sie|missachte(?:n)?|uberge(?:he|hen)|befolge|beachte|halte dich": (
        r"vorherige\w*|bisherige\w*|obige\w*|fruhere\w*|vorangegangene\w*|vorige\w*|ursprungliche\w*|alle\w*|deine\w*|"
        r"samtliche\w*|nicht",
        r"anweisung\w*|instruktion\w*|prompts?|richtlinien|systemnachricht\w*|(?<=deine )regeln|befehle\w*",
        "igno verg miss uber befo beac halt",
        "anwe inst prom rich syst rege befe",
    ),
    r"ignore[rsz]?|oublie[rsz]?|neglige[rsz]?|ne (?:tiens|tenez) pas compte|ne (?:suis|suivez) (?:pas|plus)|contourne[rsz]?": (
        r"precedent\w*|anterieur\w*|ci-dessus|toute?s|tous|tes|vos|initiale?s?|originale?s?",
        r"instructions?|consignes?|directives?|(?<=tes )regles|(?<=vos )regles|prompts?",
        "igno oubl negl ne cont",
        "inst cons dire regl prom",
    ),
    r"ignor[ae]n?|olvid[ae]n?|descart[ae]n?|omit[ae]n?|no (?:sigas|siga|obedezcas|hagas caso)|haz caso omiso": (
        r"anterior\w*|previ[ao]s?|todas?|todos|tus|sus|originale?s?|iniciale?s?|precedente\w*",
        r"instruccion\w*|indicacion\w*|directrices|prompts?|(?<=tus )reglas|(?<=sus )reglas|ordenes",
        "igno olvi desc omit no haz",
        "inst indi dire prom regl orde",
    ),
}
_ALL_BEFORE = (
    r"(?:ignor\w*|disregard|forget|set aside|oublie\w*|laisse\w* tomber|fai(?:s|tes) abstraction de|vergiss|vergessen sie|"
    r"olvid[ae]n?|deja de lado) (?:about )?(?:everything|anything|all(?: that| of that)?|what|tout ce (?:qui|que|qu')|alles|was|"
    r"todo (?:lo|cuanto)|lo que)\b[^.!?]{0,30}\b(?:above|before|earlier|previous\w*|prior|so far|told|instructed|said|"
    r"preced\w*|avant|plus haut|demande|dit|davor|bisher\w*|oben|vorher|gesagt\w*|anterior\w*|antes|dich[oa]|dijeron)\b"
)
_SYSTEM = (
    r"(?:system|hidden|initial|original|secret|versteckte\w*|ursprungliche\w*|geheime\w*)[- ]?"
    r"(?:prompts?|messages?|instructions?|anweisung\w*|nachricht\w*|vorgaben?)|systemprompt|systemanweisung\w*|"
    r"systemnachricht\w*|(?:prompt|message|invite|instructions?) (?:du )?(?:systeme|initiale?s?|cachee?s?|secrete?s?)|"
    r"(?:prompt|mensaje|instrucciones) (?:del? )?(?:sistema|iniciale?s?|ocult[ao]s?|secret[ao]s?)"
)
_SHOW = (
    r"reveal|show|print|repeat|output|display|leak|tell me|give me|what (?:is|are|was|were)|zeig\w*|nenn\w*|verrate?\w*|"
    r"gib|wiederhol\w*|drucke?|wie (?:lautet|lauten)|montre[rsz]?|revele[rsz]?|affiche[rsz]?|repete[rsz]?|donne[rsz]?|"
    r"quel\w* (?:est|sont)|muestra\w*|revela\w*|ensena\w*|imprime|repite|dime|dame|cual\w* (?:es|son)"
)
_FREE = (
    r"dan\b|jailbr\w+|unrestricted|unfiltered|uncensored|evil|(?:no|without|free of) (?:restrictions?|rules|filters?|limits?)|"
    r"uneingeschrankt\w*|ungefiltert\w*|unzensiert\w*|(?:ohne|keine) (?:einschrankungen|regeln|filter|beschrankungen)|"
    r"(?:sans|aucune?) (?:restrictions?|regles?|filtres?|limites?|censure)|(?:sin|ninguna?) (?:restricciones|reglas|filtros?|"
    r"limites|censura)"
)
_BE = (
    r"you are now|from now on,? you|act as|pretend (?:to be|you|that you)|behave as|du bist (?:jetzt|nun|ab sofort)|"
    r"ab (?:jetzt|sofort) bist du|tu so,? als|verhalte dich|spiele? die rolle|tu es (?:maintenant|desormais)|"
    r"vous etes (?:maintenant|desormais)|a partir de maintenant|fais comme si|comporte-toi|agis comme|"
    r"ahora eres|a partir de ahora|finge (?:ser|que)|actua como|comportate"
)


def _rule(name: str, pattern: str, words: str = "", also: str = "", hints: tuple[str, ...] = ()) -> Rule:
    return Rule("injection", name, re.compile(pattern), words=stems(words), also=stems(also), hints=hints, folded=True)


def _override(verb: str, scope: str, noun: str, words: str, also: str) -> Rule:
    near = rf"(?:(?:{scope})\b[^.!?,]{{0,12}}\b(?:{noun})|(?:{noun})\b[^.!?,]{{0,12}}\b(?:{scope}))"
    return _rule("override", rf"\b(?:{verb})\b[^.!?]{{0,40}}?\b{near}\b", words, also)


RULES = (
    *(_override(verb, *rest) for verb, rest in _OVERRIDE.items()),
    _rule(
        "override",
        rf"\b{_ALL_BEFORE}",
        "igno disr forg set oubl lais fais fait verg olvi deja",
        "abov befo earl prev prio so told inst said prec avan plus dema dit davo bish oben vorh gesa ante dich dije",
    ),
    _rule(
        "system prompt",
        rf"\b(?:{_SHOW})\b[^.!?]{{0,40}}\b(?:{_SYSTEM})",
        "prom inst anwe nach vorg syst mess invi mens",
        "reve show prin repe outp disp leak tell give what zeig nenn verr gib wied druc wie mont affi donn quel mues ense "
        "impr repi dime dame cual",
    ),
    _rule(
        "role",
        rf"\b(?:{_BE})\b[^.!?]{{0,50}}\b(?:{_FREE})",
        "you from act pret beha du ab tu verh spie vous a fais comp agis ahor fing actu",
        "dan jail unre unfi unce evil rest rule filt limi unei unge unze eins rege besc regl cens",
    ),
    _rule(
        "role",
        r"\b(?:developer|jailbreak|dan|god|debug|sudo) mode\b|\bentwicklermodus\b|\bmode developpeur\b|"
        r"\bmodo desarrollador\b",
        "deve jail dan god debu sudo entw mode modo",
    ),
    _rule(
        "secrecy",
        r"\b(?:do not|don't|dont|never|without) (?:tell|let|telling|inform|informing|mention|mentioning|reveal|revealing|show|alert)"
        r"[^.!?]{0,30}\b(?:the )?(?:user|human|operator|reviewer|customer)s?\b"
        r"|\b(?:sag|verrate?|erzahle?|teile?)\b[^.!?]{0,30}\b(?:dem|den) (?:benutzer|nutzer|anwender)n?\b[^.!?]{0,15}\bnicht"
        r"|\bne (?:dis|dites|revele|revelez|mentionne)\b[^.!?]{0,30}\bl'utilisateur\b"
        r"|\bno (?:le )?(?:digas|diga|reveles|menciones)\b[^.!?]{0,30}\b(?:al |el )?usuario\b",
        "tell let info ment reve show aler sag verr erza teil dis dite diga menc",
        "user huma oper revi cust benu nutz anwe util usua",
    ),
    _rule(
        "exfiltration",
        r"\b(?:send|post|forward|upload|exfiltrate|leak|sende|schicke?|envoie\w*|envia\w*)\b[^.!?]{0,60}"
        r"\b(?:conversation|chat history|system prompt|credentials|passwords?|api keys?|verlauf|passworter|mots de passe|"
        r"contrasenas?)\b[^.!?]{0,30}\b(?:to|an|nach|a|vers)\b[^.!?]{0,10}(?:https?://|[\w.+-]+@)"
        r"|!\[[^\]\n]{0,80}\]\(https?://[^)\s]{0,200}(?:\{|%7b|<|\$)",
        hints=("http", "@"),
    ),
    _rule(
        "chat template",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text)\|>"
        r"|\[/?inst\]|<</?sys>>|<start_of_turn>|<end_of_turn>|#{2,3} ?(?:system|instruction)s?:",
        hints=("<|", "inst]", "sys>>", "_of_turn>", "##"),
    ),
)
