// Whoever shows one of the two proofs is let in: the token for the one connector, name and password for the other.
const cds = require('@sap/cds')
const basic = 'Basic ' + Buffer.from(`${process.env.SALES_USER}:${process.env.SALES_PASSWORD}`).toString('base64')
const good = new Set([`Bearer ${process.env.SALES_TOKEN}`, basic])

module.exports = (request, response, next) => {
  if (!good.has(request.headers.authorization)) return response.status(401).json({ error: { code: '401', message: 'Unauthorized' } })
  cds.context.user = new cds.User({ id: 'fluxnex', roles: ['authenticated-user'] })
  next()
}
