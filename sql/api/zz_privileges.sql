-- Who may call: nobody, until a role is granted it. `alter default privileges … in schema` cannot do this: it takes
-- back only what it gave, and execution by everybody is built in.
revoke execute on all functions in schema glow_api from public;
