// Grafana's types for a dashboard; each panel has the types of its plugin. The list of plugins is closed, because
// Grafana's general type accepts a misspelt plugin, which then shows an empty panel.
import type { AnnotationQuery, Dashboard, FieldConfigSource, Panel } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as piechart from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as states from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// The JSON form of a type: an enum member is its text, and values that Grafana fills in are optional.
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
  interval?: '1m';
};

type PluginPanel<Plugin extends string, Options, Custom = {}> = Json<
  Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'>
> & {
  type: Plugin;
  options: Json<Options>;
  fieldConfig: Json<FieldConfigSource<Custom>>;
  targets: Query[];
};

// The fields that the data source reads from an annotation in addition to its query.
type Marks = {
  target: { refId: string; expr: string; interval: string };
  titleFormat: string;
  textFormat: string;
  useValueForTime: 'on';
};

export type Board = Json<Omit<Dashboard, 'panels' | 'annotations'>> & {
  annotations: { list: (Json<Omit<AnnotationQuery, 'target'>> & Marks)[] };
  panels: (
    | PluginPanel<'bargauge', bargauge.Options>
    | PluginPanel<'heatmap', heatmap.Options, heatmap.FieldConfig>
    | PluginPanel<'piechart', piechart.Options, piechart.FieldConfig>
    | PluginPanel<'stat', stat.Options>
    | PluginPanel<'state-timeline', states.Options, states.FieldConfig>
    | PluginPanel<'table', table.Options, table.FieldConfig>
    | PluginPanel<'timeseries', timeseries.Options, timeseries.FieldConfig>
  )[];
};
