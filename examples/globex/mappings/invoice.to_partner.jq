# invoice → what the partner is sent. `$references.customer` becomes what the partner knows the customer by.
{
  id: $canonical.id,
  version: $canonical.version,
  number: .number,
  customer: $references.customer,
  date: .date,
  due_date: .due_date,
  status: .status,
  currency: .currency,
  total: .total,
  lines: .lines,
  source: .source_reference
} | compact
