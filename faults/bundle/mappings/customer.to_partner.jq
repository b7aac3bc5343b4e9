{
  id: $canonical.id,
  name: .name,
  parent: (if .extensions.parent then $references.parent else null end),
  mapping: "mapping 1",
  source: .source_reference
} | with_entries(select(.value != null))
