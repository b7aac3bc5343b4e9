# customer → QuickBooks Online's Customer. An object of which nothing is known is left out by `compact`.
{
  DisplayName: .name,
  CompanyName: .name,
  PrimaryEmailAddr: { Address: .email },
  PrimaryPhone: { FreeFormNumber: .phone },
  BillAddr: (
    .billing_address
    | {
        Line1: .street,
        City: .city,
        CountrySubDivisionCode: .state,
        PostalCode: .postal_code,
        Country: .country
      }
  ),
  CurrencyRef: { value: .currency },
  Notes: .source_reference
} | compact
