package dashboards

import "strconv"

// aggs are the aggregations of a visualization, numbered from 1: the metrics,
// then the buckets from the outer to the inner.
func aggs(p Panel) []object {
	all := []object{}
	add := func(kind, schema string, params object) {
		all = append(all, object{"id": strconv.Itoa(len(all) + 1), "enabled": true, "type": kind, "schema": schema, "params": params})
	}
	for _, a := range p.Show {
		kind, params := metric(a)
		add(kind, "metric", params)
	}
	by, series := "segment", "group"
	if p.Kind == "table" {
		by, series = "bucket", "bucket"
	}
	for _, a := range p.By {
		kind, params := bucket(a, p)
		add(kind, by, params)
	}
	for _, a := range p.Series {
		kind, params := bucket(a, p)
		add(kind, series, params)
	}
	return all
}

// orderOf is what terms are sorted by: the first metric that can sort, or their
// own order. One made of several values or documents cannot.
func orderOf(a Agg, p Panel) string {
	for i, m := range p.Show {
		if !a.ByKey && m.Latest == "" && m.Of != "top_hit" && m.Of != "percentiles" {
			return strconv.Itoa(i + 1)
		}
	}
	return "_key"
}

func metric(a Agg) (kind string, params object) {
	params = object{}
	if a.Latest != "" {
		inner, innerParams := metric(Agg{Of: a.Latest, Field: a.Field})
		params["customBucket"] = object{"id": "1-bucket", "enabled": true, "type": "terms", "params": object{
			"field": "@timestamp", "size": 1, "order": "desc", "orderBy": "_key",
		}}
		params["customMetric"] = object{"id": "1-metric", "enabled": true, "type": inner, "params": innerParams}
		kind = "avg_bucket"
	} else if kind = a.Of; kind == "top_hit" {
		kind = "top_hits"
		params["aggregate"], params["size"], params["sortField"], params["sortOrder"] = "concat", 1, "@timestamp", "desc"
		if a.First {
			params["sortOrder"] = "asc"
		}
	}
	if a.Field != "" && a.Latest == "" {
		params["field"] = a.Field
	}
	if len(a.Percents) > 0 {
		params["percents"] = a.Percents
	}
	if a.Label != "" {
		params["customLabel"] = a.Label
	}
	return kind, params
}

func bucket(a Agg, p Panel) (kind string, params object) {
	params = object{}
	if a.Label != "" {
		params["customLabel"] = a.Label
	}
	switch a.Of {
	case "time":
		params["field"], params["interval"], params["min_doc_count"], params["useNormalizedOpenSearchInterval"] = "@timestamp", "auto", 1, true
		return "date_histogram", params
	case "filters":
		var filters []object
		for _, f := range a.Filters {
			filters = append(filters, object{"label": f.Label, "input": object{"query": f.Query, "language": "lucene"}})
		}
		params["filters"] = filters
		return "filters", params
	}
	params["field"], params["size"], params["order"], params["orderBy"] = a.Field, a.Size, "desc", orderOf(a, p)
	if a.Size == 0 {
		params["size"] = 5
	}
	params["otherBucket"], params["missingBucket"] = a.Other, a.Missing
	params["otherBucketLabel"], params["missingBucketLabel"] = "Other", "Missing"
	return "terms", params
}

// params are how a visualization looks.
func params(p Panel) object {
	switch p.Kind {
	case "markdown":
		return object{"markdown": p.Text, "fontSize": 12, "openLinksInNewTab": true}
	case "controls":
		return object{"updateFiltersOnChange": false, "useTimeFilter": true, "pinFilters": false}
	case "pie", "donut":
		return object{"type": "pie", "isDonut": p.Kind == "donut", "addTooltip": true, "addLegend": true, "legendPosition": "right",
			"labels": object{"show": false, "values": true, "last_level": true, "truncate": 100}}
	case "table":
		return object{"perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false, "totalFunc": "sum",
			"sort": object{"columnIndex": nil, "direction": nil}}
	case "metric":
		return object{"type": "metric", "addTooltip": true, "addLegend": false, "metric": object{
			"metricColorMode": "None", "colorSchema": "Green to Red", "useRanges": false, "percentageMode": false,
			"colorsRange": []object{{"from": 0, "to": 10000}}, "labels": object{"show": true}, "invertColors": false,
			"style": object{"bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 36},
		}}
	case "map":
		return object{"addTooltip": true, "legendPosition": "bottomright", "colorSchema": "Yellow to Red", "wms": object{"enabled": false},
			"mapZoom": 2, "mapCenter": []int{0, 0}, "outlineWeight": 1, "showAllShapes": true, "isDisplayWarning": false, "selectedLayer": object{
				"name": "World Countries", "origin": "elastic_maps_service", "isEMS": true, "id": "world_countries", "layerId": "elastic_maps_service.World Countries",
			}, "selectedJoinField": object{"type": "id", "name": "iso2", "description": "ISO 3166-1 alpha-2 code"}}
	case "heatmap":
		return object{"type": "heatmap", "addTooltip": true, "addLegend": true, "enableHover": false, "legendPosition": "right", "times": []any{},
			"colorsNumber": 4, "colorSchema": "Greens", "setColorRange": false, "colorsRange": []any{}, "invertColors": false, "percentageMode": false,
			"valueAxes": []object{{"show": false, "id": "ValueAxis-1", "type": "value", "scale": object{"type": "linear", "defaultYExtents": false},
				"labels": object{"show": false, "rotate": 0, "overwriteColor": false, "color": "black"}}}}
	case "bar", "line", "area":
		return chart(p)
	}
	return object{}
}

// chart is a chart with axes: one line, area or bar for each metric.
func chart(p Panel) object {
	kind := kinds[p.Kind]
	mode := "normal"
	if p.Kind != "line" {
		mode = "stacked"
	}
	var series []object
	for i, a := range p.Show {
		label := a.Label
		if label == "" {
			label = "Count"
		}
		series = append(series, object{"show": true, "type": kind, "mode": mode, "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true,
			"lineWidth": 2, "interpolate": "linear", "showCircles": true, "data": object{"id": strconv.Itoa(i + 1), "label": label}})
	}
	labels := object{"show": true, "filter": true, "truncate": 100}
	return object{"type": kind, "grid": object{"categoryLines": false}, "addTooltip": true, "addLegend": true, "legendPosition": "right",
		"times": []any{}, "addTimeMarker": false, "labels": object{"show": false},
		"thresholdLine": object{"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
		"categoryAxes": []object{{"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": object{},
			"scale": object{"type": "linear"}, "labels": labels, "title": object{}}},
		"valueAxes": []object{{"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true, "style": object{},
			"scale": object{"type": "linear", "mode": "normal"}, "labels": labels, "title": object{"text": ""}}},
		"seriesParams": series}
}
