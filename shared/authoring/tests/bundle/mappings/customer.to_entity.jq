# Account → customer.
{
  name: .Name,
  email: .Email__c
}
