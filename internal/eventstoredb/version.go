package eventstoredb

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chatkitd/chatkitd/events"
)

// checkpoints reports whether the checkpoints of the node's server can be resumed
// from. Those of some versions may lie past an event that was not sent; there the
// position of the last event has to do.
func (n *node) checkpoints(ctx context.Context, timeout time.Duration) (bool, error) {
	conn, err := n.forReads()
	if err != nil {
		return false, unreachable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	methods, err := serverfeatures.NewServerFeaturesClient(conn).GetSupportedMethods(ctx, &shared.Empty{})
	if code := status.Code(err); code == codes.Unimplemented || code == codes.NotFound {
		return true, nil // a server of before 22
	}
	if err != nil {
		return false, explain("", events.Any, err, nil)
	}
	return soundCheckpoints(methods.GetEventStoreServerVersion()), nil
}

// soundCheckpoints knows the versions with the defect KDB-744: 24.10 before .5,
// and 25.0.0. Of a version that is not understood it is assumed.
func soundCheckpoints(version string) bool {
	var v [3]int
	parts := strings.FieldsFunc(version, func(r rune) bool { return r == '.' || r == '-' || r == '+' })
	for i := range v {
		if i >= len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false
		}
		v[i] = n
	}
	switch {
	case v[0] == 24 && v[1] == 10:
		return v[2] >= 5
	case v[0] == 25 && v[1] == 0:
		return v[2] >= 1
	}
	return true
}
