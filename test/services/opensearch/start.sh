#!/bin/bash
# start.sh HOME NODE_DIR [-Ekey=value ...]: becomes the JVM, so its pid is the node's; SIGTERM closes cleanly. NODE_DIR is absolute and holds config/.
set -euo pipefail
home=$1 nd=$2
shift 2
mkdir -p "$nd/logs" "$nd/tmp"
exec "${JAVA:-java}" "-Xms${HEAP:-512m}" "-Xmx${HEAP:-512m}" -XX:+UseG1GC -XX:-UsePerfData \
  -Djava.io.tmpdir="$nd/tmp" -Djna.tmpdir="$nd/tmp" -Djava.awt.headless=true -Dfile.encoding=UTF-8 \
  -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true -Dlog4j2.formatMsgNoLookups=true -Djava.locale.providers=SPI,COMPAT \
  -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 -Dio.netty.allocator.numDirectArenas=0 \
  --add-opens=java.base/java.io=ALL-UNNAMED \
  -Dopensearch.path.home="$home" -Dopensearch.path.conf="$nd/config" -Dopensearch.distribution.type=zip \
  -cp "$home/launcher:$home/lib/*" OsNode "$@"
