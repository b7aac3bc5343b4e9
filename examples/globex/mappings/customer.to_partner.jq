# customer → what the partner is sent. A webhook has no answer that could name the record, so the partner knows it by
# our id, and invoices refer to it by that.
{
  id: $canonical.id,
  version: $canonical.version,
  number: .number,
  name: .name,
  email: .email,
  phone: .phone,
  currency: .currency,
  address: (
    .billing_address
    | {
        street: .street,
        city: .city,
        region: .state,
        postal_code: .postal_code,
        country: .country
      }
  ),
  source: .source_reference
} | compact
