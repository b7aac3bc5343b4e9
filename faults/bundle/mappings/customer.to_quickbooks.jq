{
  DisplayName: .name,
  Active: true,
  ParentRef: (if .extensions.parent then { value: $references.parent } else null end),
  PrintOnCheckName: "mapping 1",
  Notes: .source_reference
} | with_entries(select(.value != null))
