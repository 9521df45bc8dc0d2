/* Debian's libopus, for comparison: packets or samples on stdin, the other on stdout. Declares what it uses, so that the
   library is enough and its headers need not be there.
     reference decode                                  packets (16-bit length, bytes) -> 48 kHz mono floats
     reference encode BITRATE COMPLEXITY LOSS CHANNELS floats -> packets of 20 ms
   A length of 0 is a lost packet. 0x8000 + n is a lost packet, told from the repetition in the n bytes that follow; those
   come again as a packet of their own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void *opus_encoder_create(int32_t, int, int, int *);
int opus_encoder_ctl(void *, int, ...);
int32_t opus_encode_float(void *, const float *, int, unsigned char *, int32_t);
void *opus_decoder_create(int32_t, int, int *);
int opus_decode_float(void *, const unsigned char *, int32_t, float *, int, int);

static int decode(void) {
  int error;
  void *decoder = opus_decoder_create(48000, 1, &error);
  uint16_t length;
  static unsigned char packet[65536];
  static float samples[5760];
  while (fread(&length, 2, 1, stdin) == 1) {
    int fec = length >> 15, bytes = length & 0x7FFF, made;
    if (bytes && fread(packet, bytes, 1, stdin) != 1) return 2;
    if (fec) made = opus_decode_float(decoder, packet, bytes, samples, 960, 1);
    else if (bytes) made = opus_decode_float(decoder, packet, bytes, samples, 5760, 0);
    else made = opus_decode_float(decoder, 0, 0, samples, 960, 0);
    if (made < 0) { memset(samples, 0, sizeof samples); made = 960; }
    fwrite(samples, 4, made, stdout);
  }
  return 0;
}

static int encode(char **settings) {
  int error, channels = atoi(settings[3]);
  void *encoder = opus_encoder_create(48000, channels, 2048, &error);
  opus_encoder_ctl(encoder, 4002, atoi(settings[0]));
  opus_encoder_ctl(encoder, 4010, atoi(settings[1]));
  opus_encoder_ctl(encoder, 4012, atoi(settings[2]) > 0);
  opus_encoder_ctl(encoder, 4014, atoi(settings[2]));
  opus_encoder_ctl(encoder, 4024, 3001);
  static float samples[1920];
  unsigned char packet[1500];
  while (fread(samples, 4 * channels, 960, stdin) == 960) {
    int32_t made = opus_encode_float(encoder, samples, 960, packet, sizeof packet);
    uint16_t length = made > 0 ? made : 0;
    fwrite(&length, 2, 1, stdout);
    fwrite(packet, length, 1, stdout);
  }
  return 0;
}

int main(int count, char **words) {
  if (count == 2 && !strcmp(words[1], "decode")) return decode();
  if (count == 6 && !strcmp(words[1], "encode")) return encode(words + 2);
  return 1;
}
