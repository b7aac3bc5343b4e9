# customer → QuickBooks Online's Customer.
{
  DisplayName: .name,
  CompanyName: .name,
  PrimaryEmailAddr: (if .email then { Address: .email } else null end),
  PrimaryPhone: (if .phone then { FreeFormNumber: .phone } else null end),
  BillAddr: (
    .billing_address // {}
    | {
        Line1: .street,
        City: .city,
        CountrySubDivisionCode: .state,
        PostalCode: .postal_code,
        Country: .country
      }
    | with_entries(select(.value != null))
    | if . == {} then null else . end
  ),
  CurrencyRef: (if .currency then { value: .currency } else null end),
  Notes: .source_reference
} | with_entries(select(.value != null))
