/* park.h: stop one of the host's threads for ever, see workers.go. */
int siem_park(int tid);
