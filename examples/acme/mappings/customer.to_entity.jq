# Revenova's Account (a Salesforce record) → customer. `compact` leaves out what Revenova leaves empty.
{
  name: .Name,
  number: .AccountNumber,
  email: .Email__c,
  phone: .Phone,
  currency: .CurrencyIsoCode,
  billing_address: {
    street: .BillingStreet,
    city: .BillingCity,
    state: .BillingStateCode,
    postal_code: .BillingPostalCode,
    country: .BillingCountryCode
  },
  source_reference: "Revenova \(.Id) @ \(.SystemModstamp)"
} | compact
