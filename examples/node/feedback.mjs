// npm install && DATABASE_URL=postgresql://my_app:password@host/glow node feedback.mjs
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const glow = async (name, values) => {
  const named = Object.keys(values).map((key, i) => `${key} => $${i + 1}`) // the names are yours, never a user's
  const { rows } = await pool.query(`select glow_api.${name}(${named}) as answer`, Object.values(values))
  return rows[0].answer
}

const vote = { agent: 'expense-coder', execution_id: 'run-node', user_id: 'u-17' }
console.log(await glow('log_execution', { ...vote, input: 'Taxi to the client', output: 'meals' }))
console.log(await glow('submit_feedback', { ...vote, thumbs: -1, issues: ['wrong_answer'], idempotency_key: 'vote-node' }))
await glow('submit_feedback', { ...vote, rating: 6 }).catch(({ code, message, hint }) => console.log({ code, message, hint }))
await pool.end()
