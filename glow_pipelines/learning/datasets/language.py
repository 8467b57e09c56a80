"""Which language a text is in, told by its script and its small words.

Belongs here: profiles of 29 languages, one function. Does not belong here: what follows from the answer (screens).
No dependency: the libraries for this bring 100 MB of models, or one that is unpickled. Small words are half of any
running text and differ between languages; in three words of a title there may be none, and then we say that we are unsure.
"""
# ruff: noqa: E501 -- lists of words are read best unbroken

import re
from collections import defaultdict
from collections.abc import Mapping

UNSURE = "und"
"""ISO 639-2 for: there is a language, and we cannot tell which."""

_WORDS = {
    "en": "the of and to in is that it was for on are with as his they at be this have from or had by not but what all were "
    "when we there can an your which their if do will how about them then would these so has her him could did my than been "
    "who its now made where you i me does any please why our should just was into",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass "
    "sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man "
    "sein wurde sei ich wir ihr wenn was kann bitte keine meine mein warum wo gibt wer hier dort diese dieser dieses mir mich uns unser euch ihnen vorher ohne zwischen jede jeder andere danke brauchen waren zwei ihre können müssen vom beim ins zur nur noch schon",
    "fr": "le la les de des et à un une du en que qui dans est pour pas au sur ne se ce il sont plus par avec son sa ses mais "
    "nous vous je on ou aux cette comme été leur elle ont tout fait même être sans deux aussi bien peut où y très mon ma mes "
    "quel quelle pourquoi comment avez c'est j'ai n'est d'un d'une qu'il quand qui ici là ces ceci cela moi toi leurs avant après sans entre chaque autre autres aucun aucune merci besoin étaient deux vos votre pouvez doit faut depuis jusqu",
    "es": "el la los las de del y en que es un una por con no para se su al lo como más pero sus le ya o fue este ha sí porque "
    "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante uno ni contra ese yo qué está "
    "cómo cuál puedo tengo mi son dónde cuándo quién cual he ha han nosotros este estos estas eso esto favor gracias antes después porque pero son tan cada otro otra ningún ninguna fichero necesito necesitamos hace aquí ser puede pueden",
    "it": "il lo la i gli le di del della dei delle e è in che un una per con non si da al alla sono come più ma anche nel "
    "nella ha questo questa se o su dal suo sua ci quando molto perché cosa essere mi ho tutti dove fra tra mio mia ne agli "
    "chi c'è posso dell' quando dove questi queste quello quella abbiamo hanno prima dopo ogni altro altra nessun grazie favore senza può possono essere stato stata degli negli sugli deve ed",
    "pt": "o a os as de do da dos das e em no na nos nas que um uma para com não se por mais como mas foi ao ele seu sua ou "
    "quando muito já está eu também só pelo pela até isso ela entre depois sem mesmo aos seus quem me esse eles você são tem "
    "à posso meu minha é onde onde quando este esta estes estas nós antes depois porque cada outro outra nenhum nenhuma obrigado favor pode podem ser foram estão deve através porque aqui ontem precisamos",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij nog uit wordt door naar heeft "
    "hij worden dit die ze kan over tot was deze werd ik je we mijn geen hoe wat waar waarom wij hebben kunnen moet veel wanneer wie hier daar deze dit mij jij ons onze jullie hun voordat zonder tussen elke ander andere geen dank graag nodig waren twee u uw gebruikt kunt moeten alleen alle",
    "sv": "och i att det som en på är av för med den till inte har de ett om han var jag så från men kan eller när hur vi där "
    "vid mot ska skulle efter upp också nu sin mycket vad min ni varför alla utan denna blir mitt några finns sig oss ut in därför alltid själv samma innan hade varit någon något dig mig du kunde skulle ville deras hennes tillsammans före använda används behöver går blev inga här gå är",
    "da": "og i at det som en på er af for med den til ikke har de et om han var jeg så fra men kan eller når hvor vi der ved "
    "skal efter op også nu sin meget hvad min hvorfor alle uden denne bliver mit nogle blev være hvordan dig mig findes kun sig os ud ind fordi altid selv samme inden fået måske nej hvilken hvilke hvem hvornår noget venligst skulle ville kunne været havde deres hendes sammen bruge bruges fra",
    "nb": "og i at det som en på er av for med den til ikke har de et om han var jeg så fra men kan eller når hvor vi der ved "
    "skal etter opp også nå sin mye hva min hvorfor alle uten denne blir mitt noen ble være hvordan deg meg finnes bare fordi seg oss ut inn hvis kanskje vennligst selv samme hvilken hvilke hvem når noe skulle ville kunne vært hadde deres hennes sammen før bruke brukes trenger slik gjennom",
    "fi": "ja on ei se että oli hän joka mutta ovat kun niin myös kuin tai ole sen hänen jos mitä nyt minä vain voi olla "
    "tämä siitä ovat sekä jo mukaan jonka kanssa vielä tämän miten miksi missä onko minun meidän voin kaikki ennen mihin milloin kuka mutta sitten aina joku jotain meille teille heidän ennen jälkeen ilman sille hänelle ollut olivat saa pitää mistä minne paljon tässä tämän nyt kiitos tarvitsemme",
    "pl": "i w na z się nie do to jest że o jak po co ale za od przez czy są dla tak był może już tylko być który która które "
    "jego jej ich przy lub oraz gdy ten ta tego także bardzo mnie mam dlaczego gdzie proszę moje mój jestem można kiedy gdy kto tam tu te tej tym tych mogę możesz musi nam nas wam przed bez między każdy inny żaden dziękuję potrzebujemy był były została jeśli nie będzie będą aby",
    "cs": "a v se na je že s z do o to i jako pro ale by za jsou byl po který která které při od podle nebo jeho jak už jen "
    "tak jsem když také ve ke co není má může být bylo až více proč kde prosím můj moje jste této kdy kdo tam tu této tyto těch mohu můžete musí nám nás vám před bez mezi každý jiný žádný děkuji potřebujeme byla byly mám mám budou bude než nebyl nelze aby kam jsme zda",
    "ro": "de și în a la cu pe nu din că o un este pentru care mai ce se sunt au fost sa lui dar ale prin după fi am dacă "
    "această acest sau între foarte cum unde îmi vă eu ar fără când poate asupra mea meu le-a s-a când cine aici acolo acestea acesta pot poți trebuie nouă mie înainte fără fiecare alt alta mulțumesc avem nevoie era erau două doi până al ai ale cel cea nici",
    "hu": "a az és hogy nem is egy ez volt csak de meg már van mint ha még el azt vagy lesz amely ezt sem kell után minden "
    "így lehet pedig nincs mert ami aki nagyon hogyan miért hol kérem én ön vannak volna között szerint mikor ki itt ott ezek azok tudok tudja kell nekünk nekem előtt nélkül között minden más köszönöm szükség volt voltak két egyik után be ki fel le legyen",
    "tr": "ve bir bu da de için ile çok olarak daha ne var gibi kadar olan sonra en o ki değil ama her mi mı ben sen biz "
    "ya veya nasıl neden nerede ise yok şey diye bana benim hem göre olduğu lütfen kaç misiniz ederim hangi kim burada orada bunlar biz size bize önce sonra arasında her başka hiç teşekkürler gerek oldu oldular iki benim senin bunu onu ilk son nasıl olmalı",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut bisa ada mereka lebih "
    "sudah atau saat oleh sebagai adalah apa kami bagaimana mengapa bapak anda kita telah harus belum dapat kapan siapa sini situ kita mereka sebelum tanpa antara setiap lain terima kasih perlu dua masuk bahwa jika maka mohon silakan",
}
_MARKS = {
    "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "pl": "łąęźżśćń", "cs": "řěůť", "hu": "őű", "tr": "ğış", "ro": "țșăţ", "fr": "œèêçàù",
    "sv": "å", "da": "øæå", "nb": "øæå", "it": "èìòù",
}  # fmt: skip
_ENDINGS = {
    "en": "ing tion ness ould ght ould ally ment", "de": "ung ungen keit lich isch schaft heit ieren",
    "fr": "tion ment eux aient ique euse ement", "es": "ción dad mente iendo ando ciones ado ada ados os as ente", "it": "zione mente zioni ando ità are",
    "pt": "ção ções mente ndo dade agem ões eiro eira", "nl": "ijk ingen heid lijk aan tje ing erd atie", "sv": "ning arna ade het orna", "da": "else ede erne hed igt nde",
    "nb": "else ene het asjon ert ske", "fi": "ssa ssä lla llä sta stä een minen nut lle lta ltä ksi ista ista eksi oon ään ina", "pl": "nie ych ego ość ania cie owa owy emy ami ach ski ska", "cs": "ování ních ého ost ost ení ání ovat ích ými ech",
    "ro": "ului ție are elor ează", "hu": "ban ben nak nek ság ség tás ról ről hoz hez ból ből nál nél ását át ét", "tr": "lar ler yor nız mak mek ması ndan nden ında inde dan den ları leri", "id": "kan nya",
}  # fmt: skip
# What stands before an apostrophe.
_ELIDED = dict.fromkeys(("l", "d", "qu", "j", "n", "c", "s", "m"), "fr") | dict.fromkeys(
    ("un", "dell", "nell", "all"), "it"
)
_CYRILLIC = {
    "ru": "и в не на что я с как это по но к из у за от для так же вы бы мы его или если нет мне при чтобы уже мой где почему",
    "uk": "і в не на що я з як це до та у за від для так же ви але його або якщо немає мені при щоб вже мій де чому є",
    "bg": "и в не на че аз с как това по но към от за да се са е ще или ако няма ми при вече къде защо моля съм който което",
}
_CYRILLIC_MARKS = {"ru": "ыэё", "uk": "іїєґ", "bg": "ъщ"}
_SCRIPTS = (
    ("hangul", "\u1100-\u11ff\uac00-\ud7af"),
    ("kana", "\u3040-\u30ff"),
    ("han", "\u3400-\u4dbf\u4e00-\u9fff"),
    ("cyrillic", "\u0400-\u052f"),
    ("greek", "\u0370-\u03ff"),
    ("hebrew", "\u0590-\u05ff"),
    ("arabic", "\u0600-\u06ff\u0750-\u077f"),
    ("devanagari", "\u0900-\u097f"),
    ("thai", "\u0e00-\u0e7f"),
    ("latin", "A-Za-z\u00c0-\u024f\u1e00-\u1eff"),
)
_COUNTED = tuple((name, re.compile(f"[{signs}]")) for name, signs in _SCRIPTS)
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_NOISE = re.compile(r"https?://\S+|\S+@\S+|<[^<>]{1,60}>|`[^`]*`|\w*[_\d/\\]\w*")
_BY_SCRIPT = {"hangul": "ko", "greek": "el", "hebrew": "he", "devanagari": "hi", "thai": "th"}
_LONGEST = 2000  # characters looked at: no text needs more
_LEAST, _AHEAD = 0.75, 1.25
"""How much must speak for a language, and how many times as much as for the next. Set on sentences of our own."""


def _profile(words: dict[str, str]) -> dict[str, list[tuple[str, float]]]:
    """Word → (language, weight): a word of four languages says a quarter about each, a single letter may be a label."""
    found: dict[str, list[str]] = defaultdict(list)
    for language, listed in words.items():
        for word in dict.fromkeys(listed.split()):
            found[word].append(language)
    return {
        word: [(language, (0.3 if len(word) == 1 else 1) / len(held)) for language in held]
        for word, held in found.items()
    }


_LATIN_PROFILE, _CYRILLIC_PROFILE = _profile(_WORDS), _profile(_CYRILLIC)
_ENDS = {language: tuple(endings.split()) for language, endings in _ENDINGS.items()}
LANGUAGES = tuple(sorted({*_WORDS, *_CYRILLIC, *_BY_SCRIPT.values(), "ar", "fa", "ja", "zh"}))
"""The languages that can be told (ISO 639-1)."""


def language_of(text: str) -> str | None:
    """The language of a text as ISO 639-1, "und" when unsure, None when it holds no words at all (6100, "OK-17")."""
    shown = _NOISE.sub(" ", text[:_LONGEST])
    if not _LETTER.search(shown):
        return None
    counts = {name: len(signs.findall(shown)) for name, signs in _COUNTED} if not shown.isascii() else {"latin": 1}
    total = sum(counts.values())
    if total == 0:
        return UNSURE
    script = max(counts, key=lambda name: (counts[name], name))
    if counts.get("kana", 0) + counts.get("han", 0) > total / 2:
        return "ja" if counts["kana"] > counts["han"] / 20 else "zh"
    if counts[script] < 0.6 * total:
        return UNSURE
    if script == "arabic":
        return "fa" if re.search("[پچژگ]", shown) else "ar"
    if script in _BY_SCRIPT:
        return _BY_SCRIPT[script]
    lowered = shown.lower().replace("’", "'")
    words = _WORD.findall(lowered)
    if script == "cyrillic":
        return _best(_scores(lowered, words, _CYRILLIC_PROFILE, _CYRILLIC_MARKS, {}))
    return _best(_scores(lowered, words, _LATIN_PROFILE, _MARKS, _ENDS))


def _scores(
    text: str,
    words: list[str],
    profile: Mapping[str, list[tuple[str, float]]],
    marks: Mapping[str, str],
    endings: Mapping[str, tuple[str, ...]],
) -> dict[str, float]:
    scores: dict[str, float] = defaultdict(float)
    for word in words:
        for language, weight in profile.get(word, ()):
            scores[language] += weight
        elided = _ELIDED.get(word.partition("'")[0]) if "'" in word else None
        if elided is not None:
            scores[elided] += 0.4
    for language, signs in marks.items():
        scores[language] += 0.5 * min(4, sum(text.count(sign) for sign in signs))
    long = [word for word in words if len(word) > 4]
    for language, known in endings.items():
        scores[language] += 0.3 * sum(word.endswith(known) for word in long)
    return scores


def _best(scores: Mapping[str, float]) -> str:
    (most, first), (next_most, _) = sorted([(score, name) for name, score in scores.items()] + [(0.0, ""), (0.0, "")])[
        :-3:-1
    ]
    return first if most >= _LEAST and most >= _AHEAD * next_most else UNSURE
