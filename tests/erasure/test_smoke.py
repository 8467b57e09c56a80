import psycopg


def test_smoke(connection):
    c = connection
    c.execute("select glow_api.register_agent('desk', prompt => '{\"instruction\": \"x\"}')")
    c.execute("select glow_api.log_execution('e1','desk','in zqx','out','u1',conversation_id=>'c1')")
    c.execute("select glow_api.submit_feedback('desk','e1','u1',1,comment=>'hello')")
    r = c.execute("select glow_api.erase_subject('u1')").fetchone()[0]
    print(r)
    r = c.execute("select glow_api.erase_subject('u1', dry_run=>false, confirm=>%s)", (r["confirm"],)).fetchone()[0]
    print(r)
