{
  number: .Name,
  customer: $parents.customer,
  date: .rtms__Invoice_Date__c,
  currency: .CurrencyIsoCode,
  lines: [(.rtms__Invoice_Line_Items__r.records // [])[] | { amount: (.rtms__Amount__c | tostring) }],
  source_reference: "Revenova \(.Id)"
}
