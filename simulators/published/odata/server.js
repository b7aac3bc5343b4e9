// Starts the service, with TLS beside plain HTTP if there is a key, and says in one line of JSON where it listens.
const https = require('node:https')
const cds = require('@sap/cds')

cds.on('listening', ({ server }) => {
  const said = { port: server.address().port, tls_port: null }
  const { TLS_KEY, TLS_CERTIFICATE } = process.env
  if (!TLS_KEY) return console.log(JSON.stringify(said))
  const secured = https.createServer({ key: TLS_KEY, cert: TLS_CERTIFICATE }, cds.app)
  secured.listen(0, 'localhost', () => console.log(JSON.stringify({ ...said, tls_port: secured.address().port })))
})

module.exports = cds.server
