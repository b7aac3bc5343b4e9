# The ERP's Customer → customer. What the ERP leaves empty is left out.
{
  name: .Name,
  number: .ID,
  email: .Email,
  phone: .Phone,
  currency: .Currency,
  billing_address: {
    street: .Street,
    city: .City,
    state: .Region,
    postal_code: .PostalCode,
    country: .Country
  },
  source_reference: "ERP \(.ID) @ \(.ModifiedAt)"
} | compact
