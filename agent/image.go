package agent

import (
	"slices"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/chatkit"
)

// image is an image that is being made.
type image struct {
	output int
	base   chatkit.ItemBase
	last   string // the URL as it last was
}

func (t *turn) image(ev *Event) error {
	if len(ev.Image) > maxImage {
		if ev.Kind == ImagePartial {
			return nil // a preview
		}
		return tooLarge("an image of more than %d bytes", maxImage)
	}
	i := slices.IndexFunc(t.images, func(im *image) bool { return im.output == ev.Output })
	if i < 0 {
		if err := t.closeFlow(); err != nil {
			return err
		}
		im := &image{output: ev.Output, base: t.base(chatkitd.PrefixMessage)}
		i = len(t.images)
		t.images = append(t.images, im)
		t.sink.Emit(chatkit.ItemAdded{Item: chatkit.GeneratedImage{ItemBase: im.base}})
	}
	im := t.images[i]
	switch {
	case ev.Kind == ImageDone:
		return t.imageDone(im, ev.Image)
	case ev.Kind == ImagePartial && ev.Image != "":
		im.last = ev.Image
		t.sink.Emit(chatkit.ItemUpdated{ItemID: im.base.ID, Update: chatkit.GeneratedImageUpdated{Image: im.picture()}})
	}
	return nil
}

func (t *turn) imageDone(im *image, url string) error {
	t.images = slices.DeleteFunc(t.images, func(o *image) bool { return o == im })
	if url != "" {
		im.last = url
	}
	item := chatkit.GeneratedImage{ItemBase: im.base}
	if im.last != "" {
		p := im.picture()
		item.Image = &p
	}
	return t.commit(chatkit.ItemDone{Item: item})
}

func (im *image) picture() chatkit.Image { return chatkit.Image{ID: im.base.ID, URL: im.last} }
