// Draws the dashboards of config/grafana with the current data of a Prometheus server: see draw.sh.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

const [prometheus, minutes, dashboards, work, out] = process.argv.slice(2);
const to = Math.floor(Date.now() / 1000);
const from = to - Number(minutes) * 60;

// Queries Prometheus as Grafana does: one value for panels that show the last value, else one value every 20 seconds.
async function queryPrometheus({ expr, instant }, { interval, timeFrom }) {
  const query = expr.replaceAll('$service', '.*').replaceAll('$environment', '.*').replaceAll('$__rate_interval', '1m');
  const times = instant ? { time: to } : { start: from, end: to, step: 20 };
  if (timeFrom) Object.assign(times, { start: to - Number.parseInt(timeFrom) * 86400, step: interval });
  const url = `${prometheus}/api/v1/query${instant ? '' : '_range'}`;
  const response = await (await fetch(url, { method: 'POST', body: new URLSearchParams({ query, ...times }) })).json();
  if (response.status !== 'success') throw new Error(`${query}: ${response.error}`);
  return response.data.result.map(({ metric, value, values }) => ({ metric, values: values ?? [value] }));
}

const script = join(work, 'page.js');
await build({
  entryPoints: [join(work, 'page.jsx')],
  outfile: script,
  bundle: true,
  minify: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.svg': 'dataurl', '.ttf': 'empty', '.woff2': 'empty' },
  logLevel: 'error',
});

mkdirSync(out, { recursive: true });
for (const file of readdirSync(dashboards).sort()) {
  const dashboard = JSON.parse(readFileSync(join(dashboards, file)));
  const results = {};
  for (const panel of dashboard.panels) {
    for (const target of panel.targets) results[target.expr] = await queryPrometheus(target, panel);
  }
  const data = JSON.stringify({ dashboard, results, from, to }).replaceAll('<', '\\u003c');
  const page = join(work, `${dashboard.uid}.html`);
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css"><body style="margin:0"><div id="page"></div>
     <script id="data" type="application/json">${data}</script><script src="page.js"></script>`
  );
  const height = 56 + Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * 38;
  execFileSync(
    process.env.CHROMIUM ?? 'chromium',
    [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--hide-scrollbars', '--allow-file-access-from-files',
      `--user-data-dir=${join(work, 'profile')}`, `--window-size=1400,${height}`, '--virtual-time-budget=10000',
      `--screenshot=${join(out, `${dashboard.uid}.png`)}`, `file://${page}`,
    ],
    { stdio: 'ignore' }
  );
}
