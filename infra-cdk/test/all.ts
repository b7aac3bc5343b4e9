// Every test in one process: the templates are made, and validated, once for all of them.
import './app.test';
import './blocking-fetch.test';
import './data.test';
import './edge.test';
import './functions.test';
import './local.test';
import './permissions.test';
import './queues.test';
import './schedules.test';
