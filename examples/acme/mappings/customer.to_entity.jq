# Revenova's Account (a Salesforce record) → customer.
{
  name: .Name,
  number: .AccountNumber,
  email: .Email__c,
  phone: .Phone,
  currency: .CurrencyIsoCode,
  billing_address: (
    {
      street: .BillingStreet,
      city: .BillingCity,
      state: .BillingStateCode,
      postal_code: .BillingPostalCode,
      country: .BillingCountryCode
    } | with_entries(select(.value != null))
  ),
  source_reference: "Revenova \(.Id) @ \(.SystemModstamp)"
} | with_entries(select(.value != null))
