# Revenova's rtms__CustomerInvoice__c → invoice. Amounts become decimal strings: `tostring` keeps the
# digits that the source wrote.
{
  number: .Name,
  customer: $parents.customer,
  date: .rtms__Invoice_Date__c,
  due_date: .rtms__Due_Date__c,
  status: .rtms__Invoice_Status__c,
  currency: .CurrencyIsoCode,
  total: (if .rtms__Invoice_Total__c != null then .rtms__Invoice_Total__c | tostring else null end),
  load: .rtms__Load_Number__c,
  lines: [
    (.rtms__Invoice_Line_Items__r.records // [])[]
    | {
        description: .rtms__Description__c,
        quantity: (if .rtms__Quantity__c != null then .rtms__Quantity__c | tostring else null end),
        unit_price: (if .rtms__Unit_Price__c != null then .rtms__Unit_Price__c | tostring else null end),
        amount: (if .rtms__Amount__c != null then .rtms__Amount__c | tostring else null end)
      }
    | with_entries(select(.value != null))
  ],
  source_reference: "Revenova \(.Id) @ \(.SystemModstamp)"
} | with_entries(select(.value != null))
