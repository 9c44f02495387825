// SPDX-License-Identifier: MIT

package bled

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/godbus/dbus/v5"
)

// Channel is an L2CAP connection-oriented channel: a Write is an SDU, at most PeerMTU octets; a Read gives one (what
// does not fit into its buffer is lost: OurMTU octets always do). Writes block while the peer gives no credits, and
// what is not read stops the peer. Close sends what was written first.
type Channel struct {
	net.Conn
	ConnNumber, CID, PSM uint16
	OurMTU, PeerMTU      uint16
}

// OpenChannel opens a channel on a PSM of the peer's; mtu is the longest SDU that we take. options are L2cap1.Connect's
// (security, enhanced), and may be nil.
func (l *Link) OpenChannel(ctx context.Context, psm, mtu uint16, options Options) (*Channel, error) {
	cid, ours, theirs, err := l.Adapter.L2capConnect(ctx, l.Conn, psm, mtu, options)
	if err != nil {
		return nil, err
	}
	return l.Adapter.channel(ctx, l.Conn, cid, psm, ours, theirs)
}

func (a *Adapter) channel(ctx context.Context, conn, cid, psm, ours, theirs uint16) (*Channel, error) {
	fd, err := a.Acquire(ctx, conn, cid, nil)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), fmt.Sprintf("channel %d of connection %d", cid, conn))
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return &Channel{Conn: c, ConnNumber: conn, CID: cid, PSM: psm, OurMTU: ours, PeerMTU: theirs}, nil
}

// Listener gives the channels that peers open on a PSM.
type Listener struct {
	a      *Adapter
	psm    uint16
	events *Events
}

// ListenChannel listens on a PSM (128 to 255 are free for use).
func (a *Adapter) ListenChannel(ctx context.Context, psm, mtu uint16, options Options) (*Listener, error) {
	events := a.Events(func(e interface{}) bool {
		c, ok := e.(*ConnectedEvent)
		return ok && c.PSM == psm
	})
	if err := a.Listen(ctx, psm, mtu, options); err != nil {
		events.Stop()
		return nil, err
	}
	return &Listener{a, psm, events}, nil
}

// Accept waits for the next channel.
func (l *Listener) Accept(ctx context.Context) (*Channel, error) {
	select {
	case e, ok := <-l.events.C:
		if !ok {
			return nil, ErrClosed
		}
		c := e.(*ConnectedEvent)
		return l.a.channel(ctx, c.Conn, c.CID, c.PSM, c.OurMTU, c.PeerMTU)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops listening; channels stay.
func (l *Listener) Close() error {
	defer l.events.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.a.StopListening(ctx, l.psm)
}

// PairOptions for Link.Pair. Ask is called when a person must act: action is 2 for entering the number that the
// peer shows, 3 for showing one (return it), 4 for comparing (passkey; return 1 for yes).
type PairOptions struct {
	Ask  func(action uint8, passkey uint32) uint32
	More Options
}

// Security is what a link offers after Pair.
type Security struct {
	Encrypted, Authenticated, Bonded bool
	KeySize                          uint8
}

// Pair encrypts the link, with a stored key or by pairing.
func (l *Link) Pair(ctx context.Context, o PairOptions) (s Security, err error) {
	events := l.Adapter.Events(func(e interface{}) bool {
		p, ok := e.(*PasskeyActionEvent)
		return ok && p.Conn == l.Conn
	})
	defer events.Stop()
	go func() {
		for e := range events.C {
			p := e.(*PasskeyActionEvent)
			if o.Ask != nil {
				answer := o.Ask(p.Action, p.Passkey)
				l.Adapter.quietly(func(c context.Context) error {
					return l.Adapter.Passkey(c, l.Conn, p.Action, answer)
				})
			}
		}
	}()
	options := Options{}
	for k, v := range o.More {
		options[k] = v
	}
	if _, given := options["io"]; !given && o.Ask != nil {
		options["io"] = dbus.MakeVariant(uint8(4))
	}
	s.Encrypted, s.Authenticated, s.Bonded, s.KeySize, err = l.Adapter.Pair(ctx, l.Conn, options)
	return
}
