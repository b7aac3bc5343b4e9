# No stamp of the source gets through: a content that returns is the same content.
{
  name: .Name,
  number: .AccountNumber,
  currency: .CurrencyIsoCode,
  extensions: (if $parents.parent then { parent: $parents.parent } else null end),
  source_reference: "Revenova \(.Id)"
} | with_entries(select(.value != null))
