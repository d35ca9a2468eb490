import { persona } from '../shared/session';

// Apart from the chat page's, so that one window can be a user here and there.
Object.assign(persona, { user: 'operator', roles: ['admin'], storage: 'chatkitd.operator', home: '/admin' });
