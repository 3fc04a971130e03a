package forge

import (
	"context"
	"net/http"
	"strconv"
)

const listedDeliveries = 200

// sandboxRoutes are what GitHub does not have: they are for tests from outside.
func (f *Forge) sandboxRoutes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /_sandbox/hold":                      f.getHold,
		"POST /_sandbox/hold":                     f.postHold,
		"DELETE /_sandbox/hold":                   f.deleteHold,
		"POST /_sandbox/disorder":                 f.disorder(true),
		"DELETE /_sandbox/disorder":               f.disorder(false),
		"GET /_sandbox/deliveries":                f.listDeliveries,
		"GET /_sandbox/deliveries/{id}":           f.getDelivery,
		"POST /_sandbox/deliveries/{id}/attempts": f.redeliver,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			status, answer, err := h(&call{w: w, r: r})
			if err != nil {
				status, answer = f.refused(r, err)
			}
			writeJSON(w, status, answer)
		})
	}
}

func (f *Forge) getHold(*call) (int, any, error) { return http.StatusOK, f.hold.status(), nil }

func (f *Forge) postHold(c *call) (int, any, error) {
	var in holdOrder
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if err := f.hold.arm(in); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, f.hold.status(), nil
}

func (f *Forge) deleteHold(*call) (int, any, error) {
	f.hold.release()
	return http.StatusOK, f.hold.status(), nil
}

// disorder lasts as long as the process.
func (f *Forge) disorder(on bool) handler {
	return func(*call) (int, any, error) {
		f.hook.disorder.Store(on)
		return http.StatusOK, object{"disorder": on}, nil
	}
}

func (f *Forge) deliveries() ([]delivery, error) {
	var list []delivery
	err := f.view(func(s *state) (err error) {
		list, err = f.hook.list(s, listedDeliveries)
		return err
	})
	return list, err
}

func (f *Forge) listDeliveries(*call) (int, any, error) {
	list, err := f.deliveries()
	return http.StatusOK, list, err
}

func (f *Forge) delivery(c *call) (delivery, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return delivery{}, notFound()
	}
	return f.hook.read(id)
}

func (f *Forge) getDelivery(c *call) (int, any, error) {
	d, err := f.delivery(c)
	return http.StatusOK, d, err
}

// redeliver queues a delivery that was made before, under the same delivery ID.
func (f *Forge) redeliver(c *call) (int, any, error) {
	d, err := f.delivery(c)
	if err != nil {
		return 0, nil, err
	}
	d.Redelivery = true
	err = f.update(c.r.Context(), func(_ context.Context, s *state) error {
		s.Outbox = append(s.Outbox, d)
		return nil
	})
	return http.StatusAccepted, object{}, err
}
