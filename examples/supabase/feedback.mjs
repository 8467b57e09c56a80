// What a page in a browser does with the token that the backend got from issue_feedback_token. Node 22 or a browser.
import { createClient } from '@supabase/supabase-js'

const { SUPABASE_URL, SUPABASE_KEY, FEEDBACK_TOKEN } = process.env
const glow = createClient(SUPABASE_URL, SUPABASE_KEY, { db: { schema: 'glow_api' } })
const vote = { token: FEEDBACK_TOKEN, idempotency_key: crypto.randomUUID() }

for (const opinion of [{ thumbs: -1, issues: ['wrong_answer'], comment: 'A taxi is travel.' }, { rating: 6 }]) {
  const { data, error, status } = await glow.rpc('submit_feedback_with_token', { ...vote, ...opinion })
  console.log(JSON.stringify({ status, data, error }))
}
