// Signs and verifies webhooks with the published libraries. Reads a list of tasks (JSON, the first argument),
// writes the list of their results: a signature, true, or the library's refusal.
const { createPublicKey, verify } = require('node:crypto')
const libraries = {
  standardwebhooks: require('standardwebhooks').Webhook,
  svix: require('svix').Webhook,
}
// RFC 8410: what stands before a raw Ed25519 key in a SubjectPublicKeyInfo.
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

function perform(task) {
  const { headers, body } = task
  if (task.library === 'crypto') return asymmetric(task)
  const webhook = new libraries[task.library](task.secret)
  if (task.sign) return webhook.sign(headers['webhook-id'], new Date(headers['webhook-timestamp'] * 1000), body)
  webhook.verify(body, headers)
  return true
}

// No published library of this language verifies `v1a`. The rule is the specification's, the Ed25519 is Node's.
function asymmetric({ key, headers, body }) {
  const raw = Buffer.from(key.replace(/^whpk_/, ''), 'base64')
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' })
  const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
  const signatures = headers['webhook-signature'].split(' ').filter((signature) => signature.startsWith('v1a,'))
  return signatures.some((signature) => verify(null, signed, publicKey, Buffer.from(signature.slice(4), 'base64')))
}

const results = JSON.parse(process.argv[2]).map((task) => {
  try {
    return perform(task)
  } catch (error) {
    return `${error.name}: ${error.message}`
  }
})
console.log(JSON.stringify(results))
