# The ERP's Invoice → invoice. Amounts become decimal strings: `tostring` keeps the digits that the ERP wrote.
{
  number: .ID,
  customer: $parents.customer,
  date: .InvoiceDate,
  due_date: .DueDate,
  status: .Status,
  currency: .Currency,
  total: (if .TotalAmount != null then .TotalAmount | tostring else null end),
  lines: [
    (.Lines // [])[]
    | {
        description: .Description,
        quantity: (if .Quantity != null then .Quantity | tostring else null end),
        unit_price: (if .UnitPrice != null then .UnitPrice | tostring else null end),
        amount: (if .Amount != null then .Amount | tostring else null end)
      }
    | with_entries(select(.value != null))
  ],
  source_reference: "ERP \(.ID) @ \(.ModifiedAt)"
} | with_entries(select(.value != null))
