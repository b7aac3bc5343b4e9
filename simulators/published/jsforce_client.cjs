// Drives the simulated Salesforce with the published client `jsforce`; prints what it saw as JSON.
const { Connection, OAuth2 } = require('jsforce')

const [url, clientId, clientSecret] = process.argv.slice(2)
const seen = {}

async function login() {
  const oauth2 = new OAuth2({ loginUrl: url, clientId, clientSecret })
  const connection = new Connection({ loginUrl: url, oauth2, version: '62.0' })
  await connection.authorize({ grant_type: 'client_credentials' })
  seen.instance = connection.instanceUrl === url
  return connection
}

async function pages(connection) {
  const statement = 'SELECT Id, Name, SystemModstamp FROM rtms__CustomerInvoice__c ORDER BY SystemModstamp, Id'
  let page = await connection.query(statement)
  const ids = page.records.map((record) => record.Id)
  seen.first_page = page.records.length
  seen.pages = 1
  while (!page.done) {
    page = await connection.queryMore(page.nextRecordsUrl)
    ids.push(...page.records.map((record) => record.Id))
    seen.pages += 1
  }
  seen.total = page.totalSize
  seen.distinct = new Set(ids).size
  seen.fetched = (await connection.query(statement, { autoFetch: true, maxFetch: 1000 })).records.length
  const all = await connection.query('SELECT FIELDS(ALL) FROM Account ORDER BY Id LIMIT 5')
  seen.all_fields = all.records.every((record) => 'FluxNex_Id__c' in record && record.Name)
}

async function rows(connection) {
  const contacts = connection.sobject('Contact')
  const created = await contacts.create({ LastName: 'Adler', FirstName: 'Anna' })
  seen.created = created.success
  const read = await contacts.retrieve(created.id)
  seen.name = read.Name
  await contacts.update({ Id: created.id, Phone: '+49 30 1' })
  seen.phone = (await contacts.retrieve(created.id)).Phone
  const first = await contacts.upsert({ FluxNex_Id__c: 'x-1', LastName: 'Brooks' }, 'FluxNex_Id__c')
  const second = await contacts.upsert({ FluxNex_Id__c: 'x-1', FirstName: 'Bea' }, 'FluxNex_Id__c')
  seen.upserted = [first.created, second.created, first.id === second.id]
  seen.upserted_name = (await contacts.findOne({ FluxNex_Id__c: 'x-1' }, 'Name')).Name
  await contacts.destroy(created.id)
  seen.gone = await contacts.retrieve(created.id).then(() => '', (error) => error.errorCode)
  const [end, start] = [new Date(Date.now() + 60_000), new Date(Date.now() - 3_600_000)]
  seen.deleted = (await contacts.deleted(start, end)).deletedRecords.some((record) => record.id === created.id)
  seen.updated = (await contacts.updated(start, end)).ids.includes(first.id)
}

async function collections(connection) {
  const contacts = connection.sobject('Contact')
  const names = Array.from({ length: 5 }, (_, number) => ({ LastName: `Many ${number}`, FluxNex_Id__c: `m-${number}` }))
  const created = await contacts.create(names)
  seen.many_created = created.map((result) => result.success)
  const changed = names.map((record) => ({ ...record, FirstName: 'Max' }))
  changed[2].Shoe_Size__c = 43
  const results = await contacts.upsert([...changed, { LastName: 'New', FluxNex_Id__c: 'm-9' }], 'FluxNex_Id__c')
  seen.many_upserted = results.map((result) => (result.success ? result.created : result.errors[0].errorCode ?? result.errors[0].statusCode))
  const ids = created.map((result) => result.id)
  const updates = ids.map((id) => ({ Id: id, Email: 'many@example.com' }))
  const refused = await contacts.update([...updates, { Id: '003000000000001AAA', Email: 'x' }], { allOrNone: true })
  seen.rolled_back = refused.map((result) => result.success)
  seen.many_updated = (await contacts.update(updates)).every((result) => result.success)
  seen.many_read = (await contacts.retrieve(ids)).map((record) => [record.FirstName, record.Email])
  seen.many_deleted = (await contacts.destroy(ids.slice(0, 2))).map((result) => result.success)
  seen.left = (await connection.query("SELECT COUNT() FROM Contact WHERE Email = 'many@example.com'")).totalSize
}

async function refusals(connection) {
  const code = (promise) => promise.then(() => '', (error) => error.errorCode)
  const accounts = connection.sobject('Account')
  seen.refusals = {
    malformed: await code(connection.query('SELECT Id FORM Account')),
    no_name: await code(accounts.create({ Phone: '1' })),
    unknown_field: await code(accounts.create({ Name: 'A', Shoe_Size__c: 43 })),
    read_only: await code(accounts.create({ Name: 'A', SystemModstamp: '2026-11-20T12:00:00Z' })),
    duplicate: await code(connection.sobject('Contact').create({ LastName: 'X', FluxNex_Id__c: 'x-1' })),
    reference: await code(connection.sobject('Contact').create({ LastName: 'X', AccountId: '001000000000001AAA' })),
    session: await code(new Connection({ instanceUrl: url, accessToken: 'expired', version: '62.0' }).query('SELECT Id FROM Account')),
  }
}

async function main() {
  const connection = await login()
  await pages(connection)
  await rows(connection)
  await collections(connection)
  await refusals(connection)
  const usage = connection.limitInfo.apiUsage
  const counted = usage.used
  await connection.limits()
  seen.usage = [connection.limitInfo.apiUsage.used > counted, usage.limit]
  console.log(JSON.stringify(seen))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
