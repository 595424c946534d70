// The subset of Apache ECharts that the console draws with. Canvas only: the SVG renderer writes style attributes,
// which the Content-Security-Policy forbids. Heat maps and funnels are HTML (see c-heat), so they cost nothing here.
// Bundled by build.py --vendor into static/vendor/echarts.shuke.min.js.
import * as echarts from 'echarts/core';
import { BarChart, LineChart, PieChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent } from 'echarts/components';
import { CanvasRenderer } from 'echarts/renderers';

echarts.use([
  BarChart, LineChart, PieChart, ScatterChart,
  GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent,
  CanvasRenderer,
]);
window.echarts = echarts;
