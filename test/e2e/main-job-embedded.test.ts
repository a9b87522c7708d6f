import { mainJob } from './main-job.ts';

mainJob('embedded', async () => ({}));
