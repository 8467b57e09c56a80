-- What a retrieval configuration learned is as immutable as the configuration itself. Memory and expansions name the
-- searches they came from, and let go of them when a person is erased; numbers name nobody and never change.

create trigger immutable before update or delete on glow.retrieval_adapters
  for each row execute function glow.refuse_change();
create trigger immutable before update or delete on glow.retrieval_shifts
  for each row execute function glow.refuse_change();
