// SPDX-License-Identifier: MIT

package bled

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Flags of characteristics and descriptors, as MicroPython's.
const (
	FlagRead               uint32 = 0x0002
	FlagWriteNoResponse    uint32 = 0x0004
	FlagWrite              uint32 = 0x0008
	FlagNotify             uint32 = 0x0010
	FlagIndicate           uint32 = 0x0020
	FlagReadEncrypted      uint32 = 0x0200
	FlagReadAuthenticated  uint32 = 0x0400
	FlagWriteEncrypted     uint32 = 0x1000
	FlagWriteAuthenticated uint32 = 0x2000
)

// Characteristic is one of a Service of ours. Handlers run one at a time, in the order of the events, on a goroutine
// of the package's.
type Characteristic struct {
	UUID   string
	Flags  uint32
	Value  []byte // to begin with
	MaxLen uint16 // 0: 512

	// OnRead makes the value that this read gets; an *Error with an ATT status refuses it.
	OnRead func(conn uint16) ([]byte, error)
	// OnWrite is told of each write, after it. With Authorize it decides: an error refuses the write.
	OnWrite   func(conn uint16, value []byte) error
	Authorize bool
	// OnSubscribe: bits are 1 for notifications, 2 for indications, 0 for none.
	OnSubscribe func(conn uint16, bits uint8)

	Handle uint16 // of its value, once served
	served *Service
}

// Service is a primary service of ours.
type Service struct {
	UUID            string
	Characteristics []*Characteristic

	Handle  uint16 // once served
	adapter *Adapter
	events  *Events
	once    sync.Once
}

func (c *Characteristic) options() Options {
	o := Options{"uuid": dbus.MakeVariant(c.UUID), "flags": dbus.MakeVariant(c.Flags),
		"authorize_reads": dbus.MakeVariant(c.OnRead != nil), "authorize_writes": dbus.MakeVariant(c.Authorize)}
	if c.Value != nil {
		o["value"] = dbus.MakeVariant(c.Value)
	}
	if c.MaxLen != 0 {
		o["max_len"] = dbus.MakeVariant(c.MaxLen)
	}
	return o
}

// Serve adds a service until Remove or the end of the adapter.
func (a *Adapter) Serve(ctx context.Context, s *Service) error {
	var definitions []Options
	for _, c := range s.Characteristics {
		definitions = append(definitions, c.options())
	}
	s.adapter = a
	s.events = a.Events(isServed)
	handle, handles, err := a.AddService(ctx, s.UUID, definitions, nil)
	if err != nil {
		s.events.Stop()
		return err
	}
	if len(handles) < len(s.Characteristics) {
		s.events.Stop()
		return fmt.Errorf("bled: %d handles for %d characteristics", len(handles), len(s.Characteristics))
	}
	s.Handle = handle
	for i, c := range s.Characteristics {
		c.Handle, c.served = handles[i], s
	}
	go s.run()
	return nil
}

func isServed(e interface{}) bool {
	switch e.(type) {
	case *WrittenEvent, *SubscribedEvent, *ReadRequestedEvent, *WriteRequestedEvent:
		return true
	}
	return false
}

func (s *Service) find(handle uint16) *Characteristic {
	for _, c := range s.Characteristics {
		if c.Handle == handle {
			return c
		}
	}
	return nil
}

func attStatus(err error) uint16 {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) && e.Status > 0 && e.Status < 0x100 {
		return e.Status
	}
	return 0x0e // Unlikely Error
}

func (s *Service) run() {
	for event := range s.events.C {
		switch e := event.(type) {
		case *WrittenEvent:
			if c := s.find(e.Handle); c != nil && c.OnWrite != nil && !c.Authorize {
				_ = c.OnWrite(e.Conn, e.Value)
			}
		case *SubscribedEvent:
			if c := s.find(e.Handle); c != nil && c.OnSubscribe != nil {
				c.OnSubscribe(e.Conn, e.Bits)
			}
		case *ReadRequestedEvent:
			if c := s.find(e.Handle); c != nil && c.OnRead != nil && e.Request != 0 {
				value, err := c.OnRead(e.Conn)
				options := Options{}
				if err == nil && value != nil {
					options["value"] = dbus.MakeVariant(value)
				}
				s.adapter.quietly(func(ctx context.Context) error {
					return s.adapter.ServerReply(ctx, e.Request, attStatus(err), options)
				})
			}
		case *WriteRequestedEvent:
			if c := s.find(e.Handle); c != nil && c.Authorize {
				var err error
				if c.OnWrite != nil {
					err = c.OnWrite(e.Conn, e.Value)
				}
				s.adapter.quietly(func(ctx context.Context) error {
					return s.adapter.ServerReply(ctx, e.Request, attStatus(err), nil)
				})
			}
		}
	}
}

// Remove ends it.
func (s *Service) Remove(ctx context.Context) error {
	if s.adapter == nil {
		return errNotServed
	}
	err := s.adapter.RemoveService(ctx, s.Handle)
	s.once.Do(s.events.Stop)
	return err
}

var errNotServed = errors.New("bled: the characteristic is not served yet")

// Set stores a value and tells those who subscribed.
func (c *Characteristic) Set(ctx context.Context, value []byte) error {
	if c.served == nil {
		return errNotServed
	}
	return c.served.adapter.ServerWrite(ctx, c.Handle, value, true)
}

// Notify sends a value to one peer, whether or not it has subscribed.
func (c *Characteristic) Notify(ctx context.Context, conn uint16, value []byte) error {
	if c.served == nil {
		return errNotServed
	}
	_, err := c.served.adapter.Notify(ctx, conn, c.Handle, Options{"value": dbus.MakeVariant(value)})
	return err
}

// Indicate does the same and waits for the peer's confirmation.
func (c *Characteristic) Indicate(ctx context.Context, conn uint16, value []byte) error {
	if c.served == nil {
		return errNotServed
	}
	_, err := c.served.adapter.Indicate(ctx, conn, c.Handle, Options{"value": dbus.MakeVariant(value)})
	return err
}

// AdvertiseOptions are the options of Broadcaster1.Advertise that programs mostly want; More takes the others.
type AdvertiseOptions struct {
	Name     string
	Services []string
	// Resume: go on after a connection has ended.
	Resume bool
	More   Options
}

// AdvertiseAs advertises, connectable, until StopAdvertising or the end of the adapter.
func (a *Adapter) AdvertiseAs(ctx context.Context, o AdvertiseOptions) (set uint8, err error) {
	options := Options{"resume": dbus.MakeVariant(o.Resume)}
	if o.Name != "" {
		options["name"] = dbus.MakeVariant(o.Name)
	}
	if len(o.Services) > 0 {
		options["services"] = dbus.MakeVariant(o.Services)
	}
	for k, v := range o.More {
		options[k] = v
	}
	return a.Advertise(ctx, 100000, options)
}
