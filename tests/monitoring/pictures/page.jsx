// Draws one dashboard with Grafana's own components, from the dashboard's JSON and the results from Prometheus. Four kinds of
// panels are not on npm (state timeline, heatmap, pie chart, and the links in a table): simple drawings replace them, with a
// label that says so.
import { createTheme, dateTime, FieldColorModeId, FieldType, getDisplayProcessor, getDisplayValueAlignmentFactors, getFieldDisplayValues, toDataFrame, VizOrientation } from '@grafana/data';
import { BarGauge, BarGaugeDisplayMode, BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, LegendDisplayMode, PanelChrome, ThemeContext, TimeSeries, VizLegend, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { createRoot } from 'react-dom/client';
import 'uplot/dist/uPlot.min.css';

const { dashboard, results, from, to } = JSON.parse(document.getElementById('data').textContent);
// Show an error in the picture instead of an empty page.
addEventListener('error', ({ error }) => (document.body.textContent = error.stack));
const theme = createTheme({ colors: { mode: 'light' } });
const [CELL, GAP] = [30, 8];
const replaceVariables = (text) => text;
function range(panel) {
  const begin = panel.timeFrom ? to - Number.parseInt(panel.timeFrom) * 86400 : from;
  const times = { from: dateTime(begin * 1000), to: dateTime(to * 1000) };
  return { ...times, raw: times };
}

// The panel's settings for the field of this name.
function override(panel, name) {
  const own = panel.fieldConfig.overrides.filter(({ matcher }) => matcher.options === name).flatMap(({ properties }) => properties);
  const value = (id) => own.find((property) => property.id === id)?.value;
  return { color: value('color'), width: value('custom.width') };
}

function legend(format, labels) {
  return format.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '');
}

// Converts the results from Prometheus as Grafana's data source does, as far as these panels need it.
function frames(panel) {
  const all = panel.targets.flatMap((target) =>
    results[target.expr].map(({ metric, values }) =>
      toDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: values.map(([time]) => time * 1000), config: {} },
          {
            name: 'Value',
            type: FieldType.number,
            labels: metric,
            values: values.map(([, value]) => Number(value)),
            config: { displayNameFromDS: legend(target.legendFormat, metric) },
          },
        ],
      })
    )
  );
  // Grafana fills in the defaults from a list of all options, which is not on npm. Copy all of them instead.
  const mode = panel.type === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
  const most = Math.max(...all.flatMap((frame) => frame.fields[1].values));
  all.forEach((frame, seriesIndex) => {
    const field = frame.fields[1];
    field.config = { color: { mode }, max: panel.type === 'bargauge' ? most : undefined, ...panel.fieldConfig.defaults, ...field.config };
    field.config.color = override(panel, field.config.displayNameFromDS).color ?? field.config.color;
    field.state = { seriesIndex };
    field.display = getDisplayProcessor({ field, theme });
  });
  return all;
}

function values(panel) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables,
    theme,
    data: frames(panel),
    timeZone: 'utc',
  });
}

function Stat({ panel, width, height }) {
  return (
    <VizRepeater
      source={values(panel)}
      getValues={() => values(panel)}
      width={width}
      height={height}
      orientation={VizOrientation.Auto}
      renderValue={({ value, width, height, count }) => (
        <BigValue
          value={value.display}
          width={width}
          height={height}
          count={count}
          theme={theme}
          colorMode={panel.options.colorMode ?? BigValueColorMode.Value}
          graphMode={BigValueGraphMode.None}
          textMode={panel.options.textMode}
        />
      )}
    />
  );
}

function Bars({ panel, width, height }) {
  return (
    <VizRepeater
      getValues={() => values(panel)}
      source={values(panel)}
      width={width}
      height={height}
      orientation={VizOrientation.Horizontal}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      minVizHeight={panel.options.minVizHeight}
      maxVizHeight={panel.options.maxVizHeight}
      itemSpacing={8}
      renderValue={({ value, width, height, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          width={width}
          height={height}
          orientation={VizOrientation.Horizontal}
          displayMode={panel.options.displayMode ?? BarGaugeDisplayMode.Basic}
          alignmentFactors={alignmentFactors}
          theme={theme}
          itemSpacing={8}
          lcdCellWidth={12}
          namePlacement={panel.options.namePlacement}
        />
      )}
    />
  );
}

function Lines({ panel, width, height }) {
  return (
    <TimeSeries
      frames={frames(panel)}
      structureRev={1}
      timeRange={range(panel)}
      timeZone="utc"
      width={width}
      height={height}
      legend={panel.options.legend}
      options={{}}
    />
  );
}

function LabelTable({ panel, width, height }) {
  const { excludeByName, indexByName } = panel.transformations.find(({ id }) => id === 'organize').options;
  const rows = panel.targets.flatMap((target) => results[target.expr].map(({ metric }) => metric));
  const names = [...new Set(rows.flatMap(Object.keys))].filter((name) => !excludeByName[name]).sort((a, b) => indexByName[a] - indexByName[b]);
  const data = toDataFrame({
    fields: names.map((name) => ({ name, type: FieldType.string, values: rows.map((row) => row[name] ?? ''), config: { custom: { ...panel.fieldConfig.defaults.custom, width: override(panel, name).width } } })),
  });
  for (const field of data.fields) field.display = getDisplayProcessor({ field, theme });
  return <TableNG data={data} width={width} height={height} structureRev={1} />;
}

const x = (time, width) => ((time - from) / (to - from)) * width;

// Draws each state from its sample to the next one, with a gap if a sample is missing.
function States({ panel, width, height }) {
  const series = frames(panel);
  const [names, step] = [140, 20];
  const row = (height - 24) / Math.max(series.length, 1);
  return (
    <svg width={width} height={height} fontSize={11} fill={theme.colors.text.primary}>
      {series.map((frame, index) => (
        <g key={index} transform={`translate(0 ${index * row})`}>
          <text x={names - 8} y={row / 2 + 4} textAnchor="end">{frame.fields[1].config.displayNameFromDS}</text>
          {frame.fields[0].values.map((time, at) => {
            const state = frame.fields[1].display(frame.fields[1].values[at]);
            return <rect key={at} x={names + x(time / 1000, width - names)} width={(step / (to - from)) * (width - names) + 0.5} height={row - 4} fill={state.color} />;
          })}
        </g>
      ))}
      <States.Key panel={panel} y={series.length * row + 12} x={names} />
    </svg>
  );
}
States.Key = ({ panel, x, y }) =>
  Object.values(panel.fieldConfig.defaults.mappings[0].options).map(({ text, color }, index) => (
    <g key={text} transform={`translate(${x + index * 90} ${y})`}>
      <rect width={10} height={10} y={-9} fill={theme.visualization.getColorByName(color)} />
      <text x={14}>{text}</text>
    </g>
  ));

// The count of each bucket without the buckets below it.
function Heatmap({ panel, width, height }) {
  const series = frames(panel).map((frame) => ({ le: Number(frame.fields[1].labels.le.replace('+Inf', 'Infinity')), times: frame.fields[0].values, counts: frame.fields[1].values }));
  series.sort((a, b) => a.le - b.le);
  const cells = series.map((bucket, at) => bucket.counts.map((count, i) => Math.max(0, count - (series[at - 1]?.counts[i] ?? 0))));
  const most = Math.max(...cells.flat());
  const row = (height - 4) / series.length;
  return (
    <svg width={width} height={height} fontSize={11} fill={theme.colors.text.primary}>
      {series.map(({ le, times }, at) => (
        <g key={le} transform={`translate(0 ${height - (at + 1) * row})`}>
          <text x={40} y={row / 2 + 4} textAnchor="end">{le === Infinity ? '+Inf' : `${le} s`}</text>
          {times.map((time, i) => (
            <rect key={i} x={48 + x(time / 1000, width - 48)} width={(20 / (to - from)) * (width - 48) + 0.5} height={row - 1} fill="#3274d9" opacity={cells[at][i] / most} />
          ))}
        </g>
      ))}
    </svg>
  );
}

function Pie({ panel, width, height }) {
  const parts = values(panel).map((value, index) => ({ value: value.display, color: theme.visualization.palette[index] }));
  const total = parts.reduce((sum, part) => sum + part.value.numeric, 0);
  const radius = Math.min(width / 2, height) / 2 - 4;
  let angle = 0;
  const point = (turn) => `${radius * Math.sin(turn)} ${-radius * Math.cos(turn)}`;
  return (
    <div style={{ display: 'flex', alignItems: 'center' }}>
      <svg width={width / 2} height={height}>
        <g transform={`translate(${width / 4} ${height / 2})`}>
          {parts.map(({ value, color }) => {
            const begin = angle;
            angle += (value.numeric / total) * 2 * Math.PI;
            const large = angle - begin > Math.PI ? 1 : 0;
            return <path key={value.title} d={`M0 0L${point(begin)}A${radius} ${radius} 0 ${large} 1 ${point(angle)}Z`} fill={theme.visualization.getColorByName(color)} />;
          })}
        </g>
      </svg>
      <VizLegend
        displayMode={LegendDisplayMode.List}
        placement="right"
        items={parts.map(({ value, color }) => ({ label: `${value.title} ${value.prefix ?? ''}${value.text}`, color: theme.visualization.getColorByName(color), yAxis: 1 }))}
      />
    </div>
  );
}

const REPLACEMENTS = { 'state-timeline': States, heatmap: Heatmap, piechart: Pie };
const OWN = { stat: Stat, bargauge: Bars, timeseries: Lines, table: LabelTable };

function Panel({ panel }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (document.body.clientWidth - GAP) / 24;
  const place = { left: GAP + x * column, top: 48 + y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
  const Drawing = OWN[panel.type] ?? REPLACEMENTS[panel.type];
  const isEmpty = panel.targets.every((target) => results[target.expr].length === 0);
  return (
    <div style={{ position: 'absolute', ...place }}>
      <PanelChrome title={panel.title} titleItems={REPLACEMENTS[panel.type] ? <small style={{ opacity: 0.6 }}>a simplified {panel.type}</small> : undefined} width={place.width} height={place.height}>
        {(width, height) => isEmpty && panel.type !== 'stat' ? <div style={{ textAlign: 'center', paddingTop: height / 2 - 10 }}>No data</div> : <Drawing panel={panel} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById('page')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <h3 style={{ position: 'absolute', left: 12, top: 10 }}>{dashboard.title}</h3>
    {dashboard.panels.map((panel) => (
      <Panel key={panel.id} panel={panel} />
    ))}
  </ThemeContext.Provider>
);
