// What Grafana reads, by its own types: each panel by those of its plugin. The list of plugins is closed, as a
// misspelt one is no error to Grafana's general type, but an empty panel.
import type { AnnotationQuery, Dashboard, FieldConfigSource, Panel } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as piechart from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as states from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// A type as JSON has it: the text of an enum's member, and what Grafana fills in may be missing.
type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer U)[]
      ? Json<U>[]
      : unknown extends T
        ? T
        : T extends object
          ? { [K in keyof T]?: Json<T[K]> }
          : T;

// The Prometheus data source's own query has no type in the package.
type Query = {
  refId: string;
  datasource: { type: 'prometheus'; uid: '${datasource}' };
  expr: string;
  legendFormat: string;
  instant: boolean;
  range: boolean;
  format: 'time_series' | 'table' | 'heatmap';
};

type Of<Plugin extends string, Options, Custom = {}> = Json<
  Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'>
> & {
  type: Plugin;
  options: Json<Options>;
  fieldConfig: Json<FieldConfigSource<Custom>>;
  targets: Query[];
};

// What the data source reads of an annotation beside its query.
type Marks = {
  target: { refId: string; expr: string; interval: string };
  titleFormat: string;
  textFormat: string;
  useValueForTime: 'on';
};

export type Board = Json<Omit<Dashboard, 'panels' | 'annotations'>> & {
  annotations: { list: (Json<Omit<AnnotationQuery, 'target'>> & Marks)[] };
  panels: (
    | Of<'bargauge', bargauge.Options>
    | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
    | Of<'piechart', piechart.Options, piechart.FieldConfig>
    | Of<'stat', stat.Options>
    | Of<'state-timeline', states.Options, states.FieldConfig>
    | Of<'table', table.Options, table.FieldConfig>
    | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  )[];
};
