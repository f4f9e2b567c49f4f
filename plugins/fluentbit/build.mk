# build.mk: the libraries that Fluent Bit loads, and the host of the tests.
# Included by the root Makefile; run from the root.
#
#	build/libfluent_siem.so           all Go code, one runtime
#	build/in_s3_sqs.so                the doors: C, linked to it, found beside it
#	build/flb-filter_ecs.so
#	build/flb-filter_siem_ecs.so      the same for a Fluent Bit with a filter ecs of its own
#	build/out_opensearch_bulk.so
#	build/test-host                   loads them as Fluent Bit does
#	build/test-host-bare              the same without the host's functions

GO ?= go
CC ?= cc
DOOR_CFLAGS = -std=gnu11 -O2 -g -fPIC -Wall -Wextra -Werror
# -Bsymbolic: each door's symbols are its own. nodelete: Go cannot be unloaded.
DOOR_LDFLAGS = -shared -Wl,-Bsymbolic,-z,nodelete,-z,defs,--as-needed -Wl,-rpath,'$$ORIGIN'
DOORS = plugins/fluentbit/doors
PLUGINS = build/in_s3_sqs.so build/flb-filter_ecs.so build/flb-filter_siem_ecs.so build/out_opensearch_bulk.so
TEST_HOSTS = build/test-host build/test-host-bare
HOST_SOURCES = $(wildcard test/host/src/*.c)

.PHONY: plugins test-host
plugins: $(PLUGINS)
test-host: $(TEST_HOSTS)

# Go knows best what has changed.
.PHONY: build/libfluent_siem.so
build/libfluent_siem.so:
	@mkdir -p build
	CGO_ENABLED=1 $(GO) build -trimpath -buildmode=c-shared -ldflags "-s -w -extldflags '-Wl,-soname,libfluent_siem.so'" -o $@ ./plugins/fluentbit
	@rm -f build/libfluent_siem.h

build/in_s3_sqs.so: $(DOORS)/in_s3_sqs.c
build/flb-filter_ecs.so: $(DOORS)/flb-filter_ecs.c
build/flb-filter_siem_ecs.so: $(DOORS)/flb-filter_ecs.c
build/flb-filter_siem_ecs.so: DOOR_NAME = -DFILTER=siem_ecs
build/out_opensearch_bulk.so: $(DOORS)/out_opensearch_bulk.c

$(PLUGINS): $(DOORS)/siem.h | build/libfluent_siem.so
	$(CC) $(DOOR_CFLAGS) $(DOOR_NAME) $(CFLAGS) $(DOOR_LDFLAGS) -o $@ $(filter %.c,$^) -Lbuild -lfluent_siem -ldl $(LDFLAGS)

build/test-host: $(HOST_SOURCES) $(wildcard test/host/src/*.h)
	@mkdir -p build
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror $(CFLAGS) -rdynamic -o $@ $(HOST_SOURCES) -lpthread -ldl -lm $(LDFLAGS)

build/test-host-bare: $(HOST_SOURCES) $(wildcard test/host/src/*.h)
	@mkdir -p build
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror $(CFLAGS) -DBARE -rdynamic -o $@ $(HOST_SOURCES) -lpthread -ldl -lm $(LDFLAGS)
