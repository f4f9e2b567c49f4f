#!/bin/bash
# build.sh HOME_DIR: makes an OpenSearch home from artifacts of Maven Central. Idempotent; keep the folder as a cache.
# The 2.x server archive holds only the netty module, so the usual modules are laid out here from their jars, each with a descriptor of its own.
set -euo pipefail
V=2.19.4
here=$(cd "$(dirname "$0")" && pwd)
home=${1:?usage: build.sh HOME_DIR}
[ -f "$home/.ready" ] && exit 0
tmp=$home.tmp.$$
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"
# Exact versions only: the repository's metadata lists few, so a version range would miss this one.
mvn -B -q -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -Dmdep.useBaseVersion=true -DoutputDirectory="$tmp/dl"
(cd "$tmp" && unzip -qo dl/opensearch-$V.zip && mv opensearch-$V/* . && rmdir opensearch-$V)

# module NAME CLASS EXTENDED JAR...: no jar that lib/ has may go into a module (jar hell).
module() {
  local n=$1 c=$2 x=$3 d=$tmp/modules/$1 j f
  shift 3
  mkdir -p "$d"
  for j in "$@"; do
    f=$(ls "$tmp"/dl/"$j"-[0-9]*.jar)
    [ -e "$tmp/lib/$(basename "$f")" ] || cp "$f" "$d/"
  done
  printf 'name=%s\ndescription=%s\nversion=%s\nopensearch.version=%s\njava.version=11\nclassname=%s\nextended.plugins=%s\n' \
    "$n" "$n" $V $V "$c" "$x" > "$d/plugin-descriptor.properties"
}
o=org.opensearch
module aggs-matrix-stats $o.search.aggregations.matrix.MatrixAggregationPlugin "" aggs-matrix-stats-client
module analysis-common $o.analysis.common.CommonAnalysisPlugin lang-painless analysis-common
module cache-common $o.cache.common.tier.TieredSpilloverCachePlugin "" cache-common
module geo $o.geo.GeoModulePlugin "" geo
module ingest-common $o.ingest.common.IngestCommonPlugin lang-painless ingest-common opensearch-grok opensearch-dissect joni jcodings
module ingest-user-agent $o.ingest.useragent.IngestUserAgentPlugin "" ingest-user-agent
module lang-expression $o.script.expression.ExpressionPlugin "" lang-expression lucene-expressions antlr4-runtime asm asm-commons asm-tree
module lang-mustache $o.script.mustache.MustachePlugin "" lang-mustache-client compiler
module lang-painless $o.painless.PainlessPlugin "" lang-painless opensearch-scripting-painless-spi antlr4-runtime asm asm-util asm-commons asm-tree asm-analysis
module mapper-extras $o.index.mapper.MapperExtrasPlugin "" mapper-extras-client
module parent-join $o.join.ParentJoinPlugin "" parent-join-client
module percolator $o.percolator.PercolatorPlugin "" percolator-client
module rank-eval $o.index.rankeval.RankEvalPlugin "" rank-eval-client
module reindex $o.index.reindex.ReindexPlugin "" reindex-client opensearch-rest-client opensearch-ssl-config httpclient httpcore httpasyncclient httpcore-nio commons-codec commons-logging
module repository-url $o.plugin.repository.url.URLRepositoryPlugin "" repository-url httpclient httpcore commons-codec commons-logging
module search-pipeline-common $o.search.pipeline.common.SearchPipelineCommonModulePlugin lang-painless search-pipeline-common
for p in opensearch-job-scheduler opensearch-security; do
  mkdir -p "$tmp/plugins-available/$p"
  unzip -qo "$tmp/dl/$p-$V.0.zip" -d "$tmp/plugins-available/$p"
done
mkdir -p "$tmp/launcher"
javac -cp "$tmp/lib/*" -d "$tmp/launcher" "$here/OsNode.java"
rm -rf "$tmp/dl" "$tmp/lib/tools"
touch "$tmp/.ready"
rm -rf "$home"
mv "$tmp" "$home"
