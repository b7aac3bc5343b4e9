# Revenova's rtms__CustomerInvoice__c → invoice. Amounts become decimal strings: `decimal` keeps the digits that the
# source wrote. `compact` leaves out what Revenova leaves empty.
{
  number: .Name,
  customer: $parents.customer,
  date: .rtms__Invoice_Date__c,
  due_date: .rtms__Due_Date__c,
  status: .rtms__Invoice_Status__c,
  currency: .CurrencyIsoCode,
  total: (.rtms__Invoice_Total__c | decimal),
  load: .rtms__Load_Number__c,
  lines: [
    .rtms__Invoice_Line_Items__r.records[]?
    | {
        description: .rtms__Description__c,
        quantity: (.rtms__Quantity__c | decimal),
        unit_price: (.rtms__Unit_Price__c | decimal),
        amount: (.rtms__Amount__c | decimal)
      }
  ],
  source_reference: "Revenova \(.Id) @ \(.SystemModstamp)"
} | compact
