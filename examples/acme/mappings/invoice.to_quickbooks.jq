# invoice → QuickBooks Online's Invoice. `$references.customer` becomes the customer's id there.
{
  DocNumber: .number,
  TxnDate: .date,
  DueDate: .due_date,
  CurrencyRef: { value: .currency },
  CustomerRef: { value: $references.customer },
  Line: [
    .lines[]
    | {
        DetailType: "SalesItemLineDetail",
        Amount: (.amount | tonumber),
        Description: .description,
        SalesItemLineDetail: {
          ItemRef: { value: "1" },
          Qty: (if .quantity then .quantity | tonumber else null end),
          UnitPrice: (if .unit_price then .unit_price | tonumber else null end)
        }
      }
  ],
  PrivateNote: .source_reference
} | compact
