// Every test in one process: the templates are made, and validated, once for all of them.
import './app.test';
import './data.test';
import './edge.test';
import './functions.test';
import './local.test';
import './permissions.test';
import './queues.test';
