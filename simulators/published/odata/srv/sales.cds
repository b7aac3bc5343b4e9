// The service: at /odata/v4/sales, and for OData 2 at /odata/v2/sales. A page holds 100 records at most.
using fluxnex.sales from '../db/schema';

@path: '/odata/v4/sales'
@requires: 'authenticated-user'
@cds.query.limit: { default: 100, max: 100 }
service Sales {
  entity Customers as projection on sales.Customers;
  entity Invoices  as projection on sales.Invoices;
}
