#!/bin/sh
# After installing: the user, and systemd learns of the service. Nothing is started.
set -e
if command -v systemd-sysusers >/dev/null; then systemd-sysusers fluent-siem.conf; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
