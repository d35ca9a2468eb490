package eventstoredb

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/chatkitd/chatkitd/events"
)

// Delete implements [events.Store]. When an earlier attempt had no answer, a
// stream that is missing now is what was asked for.
func (s *Store) Delete(ctx context.Context, stream string, expected events.Revision) error {
	options := &streams.DeleteReq_Options{StreamIdentifier: identifier(stream)}
	switch at, exact := expected.Exact(); {
	case exact:
		options.ExpectedStreamRevision = &streams.DeleteReq_Options_Revision{Revision: revision(at)}
	case expected == events.NoStream:
		options.ExpectedStreamRevision = &streams.DeleteReq_Options_NoStream{NoStream: &shared.Empty{}}
	case expected == events.Exists:
		options.ExpectedStreamRevision = &streams.DeleteReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	default:
		options.ExpectedStreamRevision = &streams.DeleteReq_Options_Any{Any: &shared.Empty{}}
	}
	return s.remove(ctx, stream, expected, func(ctx context.Context, client streams.StreamsClient, trailer *metadata.MD) error {
		_, err := client.Delete(ctx, &streams.DeleteReq{Options: options}, grpc.Trailer(trailer))
		return err
	}, func(err error) bool {
		wrong, ok := errors.AsType[*events.WrongRevisionError](err)
		return ok && wrong.Actual == events.NoStream
	})
}

// Tombstone implements [events.Store]. When an earlier attempt had no answer, a
// tombstone that is there now is what was asked for.
func (s *Store) Tombstone(ctx context.Context, stream string, expected events.Revision) error {
	options := &streams.TombstoneReq_Options{StreamIdentifier: identifier(stream)}
	switch at, exact := expected.Exact(); {
	case exact:
		options.ExpectedStreamRevision = &streams.TombstoneReq_Options_Revision{Revision: revision(at)}
	case expected == events.NoStream:
		options.ExpectedStreamRevision = &streams.TombstoneReq_Options_NoStream{NoStream: &shared.Empty{}}
	case expected == events.Exists:
		options.ExpectedStreamRevision = &streams.TombstoneReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	default:
		options.ExpectedStreamRevision = &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}}
	}
	return s.remove(ctx, stream, expected, func(ctx context.Context, client streams.StreamsClient, trailer *metadata.MD) error {
		_, err := client.Tombstone(ctx, &streams.TombstoneReq{Options: options}, grpc.Trailer(trailer))
		return err
	}, func(err error) bool { return errors.Is(err, events.ErrStreamDeleted) })
}

func (s *Store) remove(ctx context.Context, stream string, expected events.Revision,
	do func(context.Context, streams.StreamsClient, *metadata.MD) error, done func(error) bool,
) error {
	ctx, c, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer c.cancel()
	return c.try(ctx, attemptTimeout, func(ctx context.Context, n *node, again bool) error {
		conn, err := n.forWrites()
		if err != nil {
			return unreachable(err)
		}
		var trailer metadata.MD
		err = explain(stream, expected, do(requireLeader(ctx), streams.NewStreamsClient(conn), &trailer), trailer)
		if again && done(err) {
			return nil
		}
		return err
	})
}
