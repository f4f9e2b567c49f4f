package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
)

// render answers with a page.
func (s *Server) render(w http.ResponseWriter, name string, data any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes()) // whoever asked has gone
}

// list is the page of all dashboards.
func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	all := slices.SortedFunc(slices.Values(s.set.Dashboards), func(a, b dashboards.Dashboard) int { return strings.Compare(a.Title, b.Title) })
	s.render(w, "list", map[string]any{"Title": "Dashboards", "Dashboards": all})
}

// dashboard is the page of one; its script asks for the panels.
func (s *Server) dashboard(w http.ResponseWriter, r *http.Request) {
	p, ok := s.find(w, r)
	if !ok {
		return
	}
	q, _, err := read(r.URL.Query(), p.dashboard, time.Now())
	s.render(w, "dashboard", map[string]any{"Title": p.dashboard.Title, "Dashboard": p.dashboard, "Query": q, "Problem": err})
}

// content is what the script draws.
type content struct {
	Kind   string             `json:"kind"`
	Tables []dashboards.Table `json:"tables"`
	Empty  bool               `json:"empty"`
	Labels []string           `json:"labels,omitempty"` // of lists of values
	Bytes  []string           `json:"bytes,omitempty"`  // fields that count bytes
	Total  int                `json:"total,omitempty"`  // documents, of which these are the newest
}

// panel answers with what a panel shows.
func (s *Server) panel(w http.ResponseWriter, r *http.Request) {
	p, ok := s.find(w, r)
	if !ok {
		return
	}
	c, err := s.content(r, p)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // whoever asked has gone
		return
	}
	_ = json.NewEncoder(w).Encode(c)
}

func (s *Server) content(r *http.Request, p place) (c content, err error) {
	_, request, err := read(r.URL.Query(), p.dashboard, time.Now())
	if err != nil {
		return c, err
	}
	searches, err := s.saved.Searches(p.dashboard.ID, p.object, request)
	if err != nil {
		return c, err
	}
	c = content{Kind: p.panel.Kind, Empty: true}
	for _, control := range p.panel.Controls {
		c.Labels = append(c.Labels, control.Label)
	}
	for _, pattern := range s.set.Patterns {
		for field, format := range pattern.Formats {
			if format == "bytes" {
				c.Bytes = append(c.Bytes, field)
			}
		}
	}
	for _, search := range searches {
		if p.panel.Kind == "search" {
			search.Body["size"] = shown
		}
		answer, err := s.search(r.Context(), search)
		if err != nil {
			return c, err
		}
		var table dashboards.Table
		if p.panel.Kind != "search" {
			table, err = search.Table(answer)
			c.Empty = c.Empty && table.Empty()
		} else {
			var list []dashboards.Document
			list, c.Total, err = dashboards.Documents(answer)
			table = tableOf(list, p.panel.Columns)
			c.Empty = len(list) == 0
		}
		if err != nil {
			return c, err
		}
		c.Tables = append(c.Tables, table)
	}
	return c, nil
}

// shown is how many documents a panel shows, listed how many the page of documents.
const shown, listed = 50, 200

// tableOf is a table of documents, with the time before the columns.
func tableOf(list []dashboards.Document, columns []string) dashboards.Table {
	t := dashboards.Table{Columns: []dashboards.Column{{Label: "Time", Role: "show"}}, Rows: [][]any{}}
	for _, name := range columns {
		t.Columns = append(t.Columns, dashboards.Column{Label: name, Role: "show"})
	}
	for _, doc := range list {
		row := []any{valueOf(doc, "@timestamp")}
		for _, name := range columns {
			row = append(row, valueOf(doc, name))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// valueOf is what a document has in a field, at most some lines of it.
func valueOf(doc dashboards.Document, field string) string {
	var texts []string
	for _, v := range dashboards.Values(doc.Source, field) {
		if object, ok := v.(map[string]any); ok {
			if text, err := json.Marshal(object); err == nil {
				v = string(text)
			}
		}
		texts = append(texts, fmt.Sprint(v))
	}
	const most = 300
	text := []rune(strings.Join(texts, ", "))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// found is a document on its page.
type found struct {
	Index, ID, Whole string
	Values           []string
}

// documents is the page of the documents behind a panel or one of its buckets.
func (s *Server) documents(w http.ResponseWriter, r *http.Request) {
	p, ok := s.find(w, r)
	if !ok {
		return
	}
	q, request, err := read(r.URL.Query(), p.dashboard, time.Now())
	columns := s.columns(p)
	data := map[string]any{"Title": p.panel.Title, "Dashboard": p.dashboard, "Panel": p.n, "Query": q, "Columns": append([]string{"Time"}, columns...)}
	var searches []dashboards.Search
	if err == nil {
		searches, err = s.saved.Searches(p.dashboard.ID, p.object, request)
	}
	if err == nil && len(searches) != 1 {
		err = fmt.Errorf("the panel has no documents of its own")
	}
	var where []any
	if err == nil {
		where, err = searches[0].Narrow(q.At)
	}
	var answer []byte
	if err == nil {
		request.Where = append(request.Where, where...)
		data["Conditions"] = searches[0].Conditions(q.At)
		if searches, err = s.saved.Searches(p.dashboard.ID, p.object, request); err == nil {
			answer, err = s.search(r.Context(), searches[0].Documents(listed))
		}
	}
	if err == nil {
		var list []dashboards.Document
		list, data["Total"], err = dashboards.Documents(answer)
		data["Documents"] = foundOf(list, columns)
	}
	data["Problem"] = err
	s.render(w, "documents", data)
}

func foundOf(list []dashboards.Document, columns []string) (all []found) {
	for _, doc := range list {
		f := found{Index: doc.Index, ID: doc.ID, Values: []string{valueOf(doc, "@timestamp")}}
		for _, name := range columns {
			f.Values = append(f.Values, valueOf(doc, name))
		}
		if text, err := json.MarshalIndent(doc.Source, "", "  "); err == nil {
			f.Whole = string(text)
		}
		all = append(all, f)
	}
	return all
}

// columns are those of the search that the panel is, is made of, or stands beside.
func (s *Server) columns(p place) []string {
	index := p.panel.Index
	for _, q := range p.dashboard.Panels {
		if q.Kind == "search" && (q.Title == p.panel.Title || q.Title == p.panel.Search || p.panel.Search == "" && q.Index == index) {
			return q.Columns
		}
	}
	return []string{"@message"}
}

var link = regexp.MustCompile(`\[([^\]]*)\]\((https://[^)]*)\)`)

// markdown knows what the descriptions use: a heading, strong text, links.
func markdown(text string) template.HTML {
	tag := "p"
	if rest, heading := strings.CutPrefix(text, "# "); heading {
		tag, text = "h2", rest
	}
	text = strings.ReplaceAll(template.HTMLEscapeString(text), "**", "")
	text = link.ReplaceAllString(text, `<a href="$2" rel="noreferrer">$1</a>`)
	return template.HTML("<" + tag + ">" + text + "</" + tag + ">") // #nosec G203 -- escaped above; and it ships with the program
}
