"""Drives the simulated Salesforce with the published client; prints what it saw as JSON."""

import json
import sys
from datetime import datetime, timedelta, timezone

from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

url, session_id = sys.argv[1:]
client = Salesforce(instance_url=url, session_id=session_id, version="62.0")
seen = {}

# Pages by hand, as a poller follows nextRecordsUrl.
fields = "Id, Name, SystemModstamp, rtms__Customer__c, rtms__Customer__r.Name"
statement = f"SELECT {fields} FROM rtms__CustomerInvoice__c ORDER BY SystemModstamp, Id"
page = client.query(statement)
seen["first_page"], seen["total"], seen["pages"] = len(page["records"]), page["totalSize"], 1
invoices = list(page["records"])
while not page["done"]:
    page = client.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    invoices += page["records"]
    seen["pages"] += 1
assert len({invoice["Id"] for invoice in invoices}) == len(invoices), "a record came twice"

# Pages by the client, with children.
children = "SELECT Id, (SELECT Id, rtms__Amount__c FROM rtms__Invoice_Line_Items__r) FROM rtms__CustomerInvoice__c"
everything = client.query_all(children)
seen["all"] = len(everything["records"])
seen["lines"] = sum(len(record["rtms__Invoice_Line_Items__r"]["records"]) for record in everything["records"])
seen["iterated"] = sum(1 for _ in client.query_all_iter(children))
seen["count"] = client.query("SELECT COUNT() FROM Account")["totalSize"]

# A watermark, quoted by the client.
first = invoices[0]
later = format_soql(
    "SELECT Id FROM rtms__CustomerInvoice__c WHERE SystemModstamp > {:literal}",
    first["SystemModstamp"].replace("+0000", "Z"),
)
seen["later"] = client.query(later)["totalSize"]

# Reads.
record = client.rtms__CustomerInvoice__c.get(first["Id"])
seen["read_matches"] = all(record[name] == first[name] for name in ("Id", "Name", "SystemModstamp"))
account = client.Account.get(first["rtms__Customer__c"])
seen["customer_matches"] = account["Name"] == first["rtms__Customer__r"]["Name"]
seen["describe"] = client.rtms__CustomerInvoice__c.describe()["name"]
client.limits()

# Writes: by id, by external id, and many at once, each with a result of its own.
contact = client.Contact.create({"LastName": "Adler", "FirstName": "Anna"})
client.Contact.update(contact["id"], {"Phone": "+49 30 1"})
seen["written"] = [client.Contact.get(contact["id"])[name] for name in ("Name", "Phone")]
seen["upserted"] = [client.Contact.upsert("FluxNex_Id__c/x-1", {"LastName": name}) for name in ("Brooks", "Cole")]
seen["by_external_id"] = client.Contact.get_by_custom_id("FluxNex_Id__c", "x-1")["Name"]
client.Contact.delete(contact["id"])
now = datetime.now(tz=timezone.utc)
deleted = client.Contact.deleted(now - timedelta(hours=1), now + timedelta(minutes=1))
seen["deleted"] = [record["id"] for record in deleted["deletedRecords"]] == [contact["id"]]
body = {
    "allOrNone": False,
    "records": [
        {"attributes": {"type": "Contact"}, "FluxNex_Id__c": "x-1", "FirstName": "Bea"},
        {"attributes": {"type": "Contact"}, "FluxNex_Id__c": "x-2"},
        {"attributes": {"type": "Contact"}, "FluxNex_Id__c": "x-3", "LastName": "Dunn"},
    ],
}
results = client.restful("composite/sobjects/Contact/FluxNex_Id__c", method="PATCH", json=body)
seen["collection"] = [
    result["created"] if result["success"] else result["errors"][0]["statusCode"] for result in results
]
seen["usage"] = client.api_usage["api-usage"].total

# Errors, as the client tells them apart.
try:
    client.query("SELECT Id FORM Account")
except SalesforceMalformedRequest as error:
    seen["malformed"] = error.content[0]["errorCode"]
try:
    client.Account.get("001000000000001AAA")
except SalesforceResourceNotFound as error:
    seen["missing"] = error.content[0]["errorCode"]
try:
    Salesforce(instance_url=url, session_id="expired", version="62.0").query("SELECT Id FROM Account")
except SalesforceExpiredSession as error:
    seen["expired"] = error.content[0]["errorCode"]

print(json.dumps(seen))
