// What the service keeps: customers, and invoices with their lines.
namespace fluxnex.sales;

entity Customers {
  key ID         : String(20);
      Name       : String(100);
      Country    : String(2);
      ModifiedAt : Timestamp @cds.on.insert: $now  @cds.on.update: $now;
}

entity Invoices {
  key ID         : String(20);
      Customer   : Association to Customers;
      Status     : String(20);
      Total      : Decimal(15, 2);
      ModifiedAt : Timestamp @cds.on.insert: $now  @cds.on.update: $now;
      Lines      : Composition of many {
                     key Position : Integer;
                         Text     : String(100);
                         Amount   : Decimal(15, 2);
                   };
}
