# The ERP's Invoice → invoice. Amounts become decimal strings: `decimal` keeps the digits that the ERP wrote.
{
  number: .ID,
  customer: $parents.customer,
  date: .InvoiceDate,
  due_date: .DueDate,
  status: .Status,
  currency: .Currency,
  total: (.TotalAmount | decimal),
  lines: [
    .Lines[]?
    | {
        description: .Description,
        quantity: (.Quantity | decimal),
        unit_price: (.UnitPrice | decimal),
        amount: (.Amount | decimal)
      }
  ],
  source_reference: "ERP \(.ID) @ \(.ModifiedAt)"
} | compact
