{
  DocNumber: .number,
  TxnDate: .date,
  CustomerRef: { value: $references.customer },
  Line: [.lines[] | { DetailType: "SalesItemLineDetail", Amount: (.amount | tonumber) }],
  CustomerMemo: { value: "mapping 1" },
  PrivateNote: .source_reference
}
